"""What the pages of operators work out: wishes out of forms and back, groups, where a group stands, a run's bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData
from starlette.requests import Request
from typer.main import get_command

from chronos.api import wishes
from chronos.api.forms import Run
from chronos.api.problems import Refused
from chronos.api.system_forms import Bytes, Entry, Group, LetterGroup, LogEvent, Stage, Standing, Timeline
from chronos.api.trails import Line, Step, Steps, Trail
from chronos.cli.root import app
from chronos.conditions import all_hold, condition
from chronos.console import acting, failures, letters, rewinding
from chronos.console.tracing import PARTS, WIDTH, Bar, picture
from chronos.letters import FIELDS
from chronos.offsets import Earliest, Shift
from chronos.plans import PlanIsStale

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
RUN = "01234567-89ab-7def-8123-456789abcdef"


def test_a_wish_comes_back_as_it_went_into_the_form():
    wish = wishes.Redrive(letters=["0@1", "0@2"], where=["topic=x", "reason~=a b"], since="2h", force=True)
    assert acting.read(wishes.Redrive, FormData(acting.words_of(wish))) == wish
    chosen = wishes.Retries(creator="ada", failures=[UUID(RUN)], even_over=True)
    assert acting.read(wishes.Retries, FormData(acting.words_of(chosen))) == chosen


def test_what_is_typed_on_the_confirming_page_is_no_word_of_the_wish():
    assert acting.words_of(wishes.Retries(creator="ada", confirm="12345678", reason="why")) == [("creator", "ada")]


def test_an_empty_field_is_absent_and_a_misspelt_one_is_refused():
    assert acting.read(wishes.Retries, FormData([("creator", " "), ("csrf", "x")])) == wishes.Retries()
    with pytest.raises(RequestValidationError):
        acting.read(wishes.Retries, FormData([("vidoe", "x")]))


async def test_nothing_marked_does_not_mean_all():
    request = Request({"type": "http", "method": "POST", "headers": []})
    request._form = FormData([("some", "yes")])
    with pytest.raises(Refused, match="nothing is marked"):
        await acting.chosen(request, "letters")
    request._form = FormData([("some", "yes"), ("letters", "0@1")])
    assert (await acting.chosen(request, "letters")).multi_items() == [("letters", "0@1")]


async def test_a_plan_that_holds_no_more_is_shown_as_it_is_now_and_nothing_is_done():
    asked = []

    async def ask(wish: wishes.Retries) -> wishes.Operation:
        asked.append(wish.confirm)
        if wish.confirm:
            raise PlanIsStale("it does not hold any more")
        times = {"began_at": NOON, "ended_at": NOON}
        about = {"id": RUN, "kind": "retry", "target": "videos", "by": "ada", "step": "", "share": 0.0}
        return wishes.Operation(state="done", result={}, problem=None, **about, **times)

    request = Request({"type": "http", "method": "POST", "headers": [], "raw_path": b"/failures/retry"})
    answer = await acting.begin(request, wishes.Retries(creator="ada", confirm="12345678"), ask)
    assert asked == ["12345678", None]
    assert answer.headers["location"] == f"/failures/retry?creator=ada&changed=yes&operation={RUN}"


@pytest.mark.parametrize("reason", ["not JSON", " spaces around ", "long " * 200, "two\nlines", "a=b!=c~=d"])
def test_the_conditions_of_a_group_take_its_letters(reason: str):
    group = LetterGroup(type="X", reason=reason, topic="t", letters=1, oldest_at=NOON, newest_at=NOON)
    conditions = acting.read(wishes.Letters, FormData([("where", one) for one in letters.conditions(group)])).where
    says = {"type": "X", "reason": reason, "topic": "t"}
    assert all_hold([condition(one, FIELDS) for one in conditions], says.get)
    assert not all_hold([condition(one, FIELDS) for one in conditions], (says | {"reason": "another"}).get)


def test_bytes_are_shown_as_far_as_there_are_any():
    assert letters.shown(Bytes(text="ada", hex=None)) == "ada"
    assert letters.shown(Bytes(text=None, hex=None)) == "–"
    cut = letters.shown(Bytes(text=None, hex="00ff41 … (9 characters)"))
    assert cut.splitlines()[0].endswith("..A")
    assert cut.splitlines()[1] == "… (9 characters)"
    assert letters.shown(Bytes(text=None, hex="00[hidden]41")) == "00[hidden]41"


@pytest.mark.parametrize(
    ("form", "way"),
    [
        ({"way": "toEarliest", "value": "what was left there"}, Earliest()),
        ({"way": "shiftBy", "value": "-100"}, Shift(-100)),
        ({"way": "question", "video": "x"}, None),
    ],
)
def test_a_way_and_its_value_are_one_field_of_the_wish(form: dict[str, str], way: object):
    filled = FormData([("group", "transcribe-video"), *form.items()])
    wish = acting.read(wishes.Rewind, filled, rewinding.translated)
    assert wish.way("chronos.transcribe-video") == way


def test_every_way_of_the_form_is_a_field_of_the_wish():
    known = {info.alias for info in wishes.Rewind.model_fields.values()}
    assert set(rewinding.WAYS) - {"question"} <= known
    assert {*rewinding.FLAGS, *rewinding.BARE} <= known


def test_what_the_pages_say_to_type_has_options_that_there_are():
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, flags in (
        ("rewind", {*rewinding.FLAGS.values(), *rewinding.BARE.values(), "--from-file", "--plan", "--execute"}),
        ("retry", {*failures.FLAGS.values(), "--all", "--execute"}),
        ("rerun", {"--creator", "--stage", "--execute"}),
        ("delete", {"--creator", "--execute"}),
        ("cancel", {"--creator"}),
    ):
        assert flags <= {option for parameter in commands[name].params for option in parameter.opts}
    words = [("group", "projection"), ("shiftBy", "-5"), ("reemit", "true")]
    assert rewinding.command(words, "ab") == "chronos rewind projection --shift-by=-5 --reemit --execute --plan ab"


def test_where_a_group_stands_is_summed_up_by_topic():
    def place(partition: int, first: int, next: int, committed: int | None, wanted: int | None = None) -> Standing:
        return Standing(topic="t", partition=partition, first=first, next=next, committed=committed, wanted=wanted)

    places = [place(0, 10, 20, 15), place(1, 0, 4, None, 0), place(2, 50, 60, 3)]
    [stands] = rewinding.by_topic(Group(group="g", places=places, rewinds=[])).values()
    assert (stands.partitions, stands.events, stands.done, stands.left, stands.moving) == (3, 24, 5, 19, 1)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def event(at: datetime) -> LogEvent:
    return LogEvent(
        topic="t", partition=0, offset=0, at=at, key=None, bytes=0, event_id=RUN, run_id=RUN, cause_id=None,
        function=None, creator_id="ada", video_id="x", payload={}, problem=None,
    )  # fmt: skip


def stage(
    began: float, ended: float | None, *entries: Entry, given: float | None = 0.0, trails: Sequence[Trail] = ()
) -> Stage:
    return Stage(
        function="f", fingerprint="1", state="running" if ended is None else "completed", attempts=1, crashes=0,
        waited_seconds=None if given is None else began - given, began_at=after(began),
        ended_at=None if ended is None else after(ended), seconds=None if ended is None else ended - began,
        next_attempt_at=None, errors=[], input=None if given is None else event(after(given)), entries=list(entries),
        trails=list(trails),
    )  # fmt: skip


def timeline(*stages: Stage) -> Timeline:
    run = Run.model_validate(
        dict.fromkeys(Run.model_fields) | {"run_id": RUN, "creator_id": "ada", "video_id": "x", "status": "processing"}
    )
    return Timeline(run=run, stages=list(stages), others=[], cut=False)


def test_a_run_is_drawn_from_its_first_moment_to_its_last():
    retried = Entry(at=after(4), what="retried", name="t", retry_at=after(6))
    paid = Entry(at=after(8), what="paid", name="m")
    drawn = picture(timeline(stage(2, 10, retried, paid), stage(10, 20, given=10)), after(100))
    first, second = drawn.rows
    assert (drawn.seconds, drawn.after(after(5))) == (20, 5)
    assert first.bars == [Bar("waits", 0, 100), Bar("works", 100, 400), Bar("waits", 200, 100)]
    assert [(mark.kind, mark.x) for mark in first.marks] == [("retried", 200), ("paid", 400)]
    assert second.bars == [Bar("works", 500, 500)]
    assert first.says == "f: waited 2.0 s, took 8.0 s, 1 paid, 1 retried"


def test_what_goes_on_ends_now_and_what_is_quick_is_seen():
    drawn = picture(timeline(stage(0, 0.0001), stage(1, None, given=None)), after(1000))
    assert drawn.seconds == 1000
    assert drawn.rows[0].bars[0].width > 0
    last = drawn.rows[1].bars[-1]
    assert last.x + last.width == WIDTH
    assert drawn.rows[1].says == "f: goes on"


def step(number: int, at: float, seconds: float | None, error: str | None = None, kind: str = "transcribe") -> Step:
    return Step(
        number=number, name=kind, kind=kind, at=after(at), seconds=seconds, error=error, bought=0, remembered=0
    )  # fmt: skip


def attempt(*steps: Step, began: float = 0.0, beyond: Sequence[Steps] = (), lines: Sequence[Line] = ()) -> Trail:
    return Trail(
        attempt=1, crashes=0, began_at=after(began), seconds=8, steps=list(steps), beyond=list(beyond),
        lines=list(lines), left_out=0,
    )  # fmt: skip


def line(number: int | None) -> Line:
    return Line(at=after(1), level="info", event="said", step=None, number=number, named={})


def test_a_step_has_a_bar_on_the_scale_of_the_run_and_its_own_lines():
    steps = (step(1, 2, 3), step(2, 5, 1, "Busy"))
    drawn = picture(timeline(stage(0, 10, trails=[attempt(*steps, lines=[line(1), line(None)])])), after(100))
    [tried] = drawn.rows[0].attempts
    assert [part.bar for part in tried.parts] == [Bar("step", 200, 300), Bar("bad", 500, 100)]
    assert [[one.number for one in lines] for lines in (tried.parts[0].lines, tried.parts[1].lines, tried.lines)] == [
        [1], [], [None],
    ]  # fmt: skip


def test_a_step_that_goes_on_is_drawn_to_now_and_that_of_a_dead_worker_to_when_it_was_last_seen():
    dead, alive = attempt(step(1, 0, None)), attempt(step(1, 10, None), began=10)
    drawn = picture(timeline(stage(0, None, trails=[dead, alive])), after(40))
    first, second = (tried.parts[0].bar for tried in drawn.rows[0].attempts)
    assert (first.x, first.width) == (0, 200)
    assert (second.x, second.width) == (250, 750)


def test_of_many_steps_those_are_drawn_that_say_something_and_the_others_are_summed_up():
    steps = [step(n, n / 100, 0.5) for n in range(1, 200)] + [step(200, 3, 1, "Busy")]
    before = Steps(kind="transcribe", count=100, failed=2, seconds=60, longest=7)
    drawn = picture(timeline(stage(0, 10, trails=[attempt(*steps, beyond=[before], lines=[line(150)])])), after(10))
    [tried] = drawn.rows[0].attempts
    numbers = [part.step.number for part in tried.parts]
    assert numbers == [*range(1, PARTS - 1), 150, 200]
    [others] = tried.others
    assert (others.count, others.failed, others.longest) == (100 + 200 - PARTS, 2, 7)
    assert others.seconds == 60 + (200 - PARTS) * 0.5


def test_a_run_that_waits_for_its_turn_has_no_bars():
    assert picture(timeline(), NOON).rows == []
