"""The trail of an attempt: what people see of its steps and lines; no attempt makes it long, none tells a secret."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from chronos import logs
from streams import trail
from streams.redaction import keep_secret
from streams.trail import LINES, STEPS, Trail

PLANTED = "correct-horse-battery"


class Clock:
    """Tells the time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def one(clock: Clock) -> Trail:
    return Trail(clock)


@pytest.fixture
def log() -> Iterator[Any]:
    """A logger as workers have it."""
    kept = structlog.get_config()
    logs.set_up(as_json=True)
    yield structlog.get_logger()
    structlog.configure(**kept)


def told(one: Trail) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(one.page().text or "{}")
    return found


def test_a_step_tells_when_it_began_how_long_it_took_and_what_became_of_it(one: Trail, clock: Clock) -> None:
    clock.now += 1.5
    with one.step("transcribe", "transcribe") as step:
        clock.now += 2.25
        step.bought = 1
    with pytest.raises(LookupError), one.step("deliver https://host/a?sig=abcdefgh", "deliver"):
        raise LookupError
    first, second = told(one)["steps"]
    assert first == {"name": "transcribe", "at": 1.5, "seconds": 2.25, "bought": 1}
    assert second == {
        "name": "deliver https://host/a?***", "kind": "deliver", "at": 3.75, "seconds": 0.0, "error": "LookupError",
    }  # fmt: skip


def test_what_goes_on_while_it_is_written_down_has_no_end(one: Trail) -> None:
    with one.step("download", "download"):
        assert told(one)["steps"] == [{"name": "download", "at": 0.0, "seconds": None}]


async def test_a_line_stands_in_the_step_in_which_it_was_said_in_a_thread_and_a_task_as_well(
    one: Trail, log: Any
) -> None:
    async def attempt() -> None:
        with one.followed():
            with one.step("extract-audio", "extract-audio"):
                await asyncio.to_thread(log.warning, "odd", codec="opus", pieces=[1, 2])
            log.info("done", function="f", video="v", creator="c", attempt=1)

    log.info("before")
    await asyncio.create_task(attempt())
    log.info("after")
    lines = told(one)["lines"]
    assert [(line["level"], line["event"], line.get("step")) for line in lines] == [
        ("warning", "odd", "extract-audio"), ("info", "done", None),
    ]  # fmt: skip
    assert lines[0]["named"] == {"codec": "opus", "pieces": "[1, 2]"}
    assert "named" not in lines[1]  # the run's row has all that


async def test_two_attempts_at_once_do_not_hear_each_other(log: Any) -> None:
    async def attempt(name: str) -> Trail:
        mine = Trail()
        with mine.followed(), mine.step(name, name):
            await asyncio.sleep(0)
            log.warning(f"of {name}")
        return mine

    for name, mine in zip("ab", await asyncio.gather(attempt("a"), attempt("b")), strict=True):
        assert [line["event"] for line in told(mine)["lines"]] == [f"of {name}"]


def test_no_secret_gets_into_a_trail(one: Trail, log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    keep_secret(PLANTED)
    with one.followed(), one.step(f"deliver {PLANTED}", "deliver"):
        try:
            raise ValueError(f"https://host/?sig={PLANTED}")
        except ValueError:
            log.exception("broken", api_key=PLANTED, deep={"list": [{"token": PLANTED}, f"Bearer {PLANTED}"]})
    page = one.page().text
    assert page is not None
    assert "broken" in page
    assert PLANTED not in page
    assert PLANTED not in capsys.readouterr().err


def test_a_video_of_three_hours_is_told_in_20_kb(one: Trail, clock: Clock) -> None:
    for _ in range(300):
        with one.step("transcribe", "transcribe") as step:
            clock.now += 34.5678
            step.bought = 1
    page = one.page().text
    assert page is not None
    assert len(page) < 20_000
    assert len(told(one)["steps"]) == STEPS
    [more] = told(one)["beyond"]
    assert (more["kind"], more["count"], more["failed"]) == ("transcribe", 100, 0)
    assert more["seconds"] == pytest.approx(3_456.78)
    assert more["longest"] == pytest.approx(34.5678)


def test_of_many_lines_the_first_and_the_last_are_kept_and_the_others_counted(one: Trail) -> None:
    with one.followed():
        for n in range(1_000):
            trail.say({"level": "info", "event": f"line {n}"})
    found = told(one)
    shown = [*range(LINES), *range(1_000 - LINES, 1_000)]
    assert [line["event"] for line in found["lines"]] == [f"line {n}" for n in shown]
    assert found["left_out"] == 1_000 - 2 * LINES


def test_whatever_is_said_a_trail_has_an_end_and_postgres_takes_it(one: Trail) -> None:
    odd = {f"{n}" * 50: "\0\ud800é\n" * 1_000 for n in range(100)}
    with one.followed():
        for _ in range(10 * LINES):
            trail.say({"level": "error", "event": "\0" + "e" * 5_000, **odd})
    page = one.page().text
    assert page is not None
    assert len(page.encode()) < 2 * LINES * 4_000
    assert "\\u0000" not in page
    assert "\\ud8" not in page


def test_what_took_no_step_and_said_only_how_it_ended_is_not_written_down(one: Trail) -> None:
    assert one.page().text is None
    with one.followed():
        trail.say({"level": "info", "event": "done"})
    assert one.page().text is None
    with one.followed():
        trail.say({"level": "warning", "event": "away"})
    assert one.page().text is not None


def test_what_is_kept_is_not_written_again_until_there_is_more(one: Trail) -> None:
    with one.step("a", "a"):
        page = one.page()
        one.keep(page)
        assert one.page().text is None
    assert one.page().text is not None


def test_a_line_is_said_from_many_threads_and_none_is_lost(one: Trail) -> None:
    async def all_at_once() -> None:
        with one.followed():
            await asyncio.gather(
                *(asyncio.to_thread(trail.say, {"level": "info", "event": str(n)}) for n in range(2 * LINES))
            )

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    asyncio.run(all_at_once())
    sys.setswitchinterval(switching)
    assert sorted(int(line["event"]) for line in told(one)["lines"]) == list(range(2 * LINES))
