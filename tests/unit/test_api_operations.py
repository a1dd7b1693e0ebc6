"""What operators ask for, in the words of the commands, and how it is done: in the background, one at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from chronos import operations, plans
from chronos.api import background, wishes
from chronos.api.background import Operations, Progress
from chronos.letters import NoSuchLetter
from chronos.offsets import BadWay, Earliest, Shift


async def test_what_takes_long_goes_on_and_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.01)
    known, end = Operations(), asyncio.Event()

    async def work(progress: Progress) -> dict[str, Any]:
        progress("read", 0.5)
        await end.wait()
        return {"by": operations.operator()}

    operation = await known.begin("rewind plan", "group", "ada by HTTP", work, changing=False)
    assert (operation.state, operation.step, operation.share, operation.result) == ("running", "read", 0.5, None)
    end.set()
    await operation.task
    assert (known.known[operation.id].state, operation.result) == ("done", {"by": "ada by HTTP"})
    assert operations.operator() != "ada by HTTP"


async def test_what_changes_something_waits_for_its_turn_and_a_plan_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.01)
    known, end, begun = Operations(), asyncio.Event(), list[str]()

    def work(name: str) -> background.Work:
        async def do(progress: Progress) -> dict[str, Any]:
            begun.append(name)
            await end.wait()
            return {}

        return do

    for name, changing in (("first", True), ("second", True), ("plan", False)):
        await known.begin("retry", "videos", "ada", work(name), changing=changing)
    assert begun == ["first", "plan"]
    end.set()
    await asyncio.gather(*(one.task for one in known.known.values()))
    assert begun == ["first", "plan", "second"]


async def test_what_fails_within_the_request_is_its_answer_and_what_a_stop_ends_says_so() -> None:
    known = Operations()

    async def fails(progress: Progress) -> dict[str, Any]:
        raise NoSuchLetter("no letter 7")

    with pytest.raises(NoSuchLetter):
        await known.begin("drop", "dead-letter", "ada", fails, changing=True)
    [failed] = known.known.values()
    assert (failed.state, failed.problem) == ("failed", "no letter 7")

    begun = asyncio.Event()

    async def hangs(progress: Progress) -> dict[str, Any]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    waiting = asyncio.create_task(known.begin("drop", "dead-letter", "ada", hangs, changing=True))
    await begun.wait()
    await known.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert list(known.known.values())[1].problem == "the server was stopped meanwhile"


def test_a_plan_that_does_not_hold_is_refused_with_the_one_that_does() -> None:
    class Plan:
        id = plans.name_of(["a"])

    plans.check(Plan(), Plan.id)
    plans.check(Plan(), None)
    with pytest.raises(plans.PlanIsStale, match=Plan.id):
        plans.check(Plan(), plans.name_of(["b"]))


@pytest.mark.parametrize(
    "wrong",
    [{"vidoe": "a"}, {"video": ""}, {"video": "a\0b"}, {"function": "transcribe-video-error"}, {"reason": "\0"}],
)
def test_a_wish_that_was_misspelt_does_not_mean_everything(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        wishes.Retries.model_validate(wrong)


def test_a_rewind_is_asked_for_in_one_way() -> None:
    assert wishes.Rewind(group="projection", to_earliest=True).way("g") == Earliest()
    assert wishes.Rewind(group="projection", shift_by=0).way("g") == Shift(0)
    assert wishes.Rewind(group="projection", video="a").way("g") is None
    for more in ({}, {"to_earliest": True, "shift_by": 1}, {"to_earliest": True, "video": "a"}):
        with pytest.raises(BadWay):
            wishes.Rewind(group="projection", **more).way("g")


@pytest.mark.parametrize("text", ["a,1", "a,1,²", "a\rb,1,2", f"a,1,{'9' * 30}", ""])
def test_offsets_that_are_none_are_named(text: str) -> None:
    with pytest.raises(BadWay):
        wishes.Rewind(group="projection", offsets=text).way("g")
