"""A run's timeline as bars: when each function waited, worked, paid and stumbled, on one scale. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chronos.api.system_forms import Stage, Timeline
from chronos.api.trails import Line, Step, Steps, Trail

WIDTH = 1000.0  # of the scale, in its own units
LEAST = 2.0  # what is quicker than can be seen is still there
MARKED = ("paid", "remembered", "failed", "retried")
PARTS = 25  # steps of an attempt that are drawn one by one


@dataclass(frozen=True)
class Bar:
    """A part of a row."""

    kind: str  # waits, works, bad, step, or what a mark is of
    x: float
    width: float


@dataclass(frozen=True)
class Part:
    """A step, its bar, and what the log said in it."""

    step: Step
    bar: Bar
    lines: list[Line]


@dataclass(frozen=True)
class Attempt:
    """Its steps, as many as are drawn; the others summed up; and what the log said beside them."""

    trail: Trail
    parts: list[Part]
    others: list[Steps]
    lines: list[Line]


@dataclass(frozen=True)
class Row:
    """A stage, and its bars."""

    stage: Stage
    bars: list[Bar]
    marks: list[Bar]
    says: str  # the same in words
    attempts: list[Attempt]


@dataclass(frozen=True)
class Picture:
    began_at: datetime
    seconds: float
    rows: list[Row]

    def after(self, at: datetime) -> float:
        """Seconds after the beginning."""
        return (at - self.began_at).total_seconds()


def picture(trace: Timeline, now: datetime) -> Picture:
    """All stages on the scale from the run's first moment to its last, which is now where it goes on."""
    times = list(_times(trace, now))
    began, seconds = min(times), max(0.001, (max(times) - min(times)).total_seconds())
    return Picture(began, seconds, [_row(stage, _Scale(began, seconds), now) for stage in trace.stages])


def _times(trace: Timeline, now: datetime) -> Iterator[datetime]:
    yield from (event.at for event in trace.others)
    for stage in trace.stages:
        yield from (entry.at for entry in stage.entries)
        yield _given(stage)
        yield _end(stage, now)
    if not trace.stages:
        yield trace.run.asked_at or now


@dataclass(frozen=True)
class _Scale:
    began: datetime
    seconds: float

    def bar(self, kind: str, begin: datetime, end: datetime) -> Bar:
        x, to = (WIDTH * (at - self.began).total_seconds() / self.seconds for at in (begin, end))
        width = max(LEAST, to - x)
        return Bar(kind, round(min(x, WIDTH - width), 1), round(width, 1))


def _row(stage: Stage, scale: _Scale, now: datetime) -> Row:
    given, begin, end = _given(stage), _begin(stage), _end(stage, now)
    bars = [scale.bar("waits", given, begin)] if begin > given else []
    bars.append(scale.bar("bad" if stage.state == "failed" else "works", begin, max(begin, end)))
    for entry in stage.entries:  # between two attempts nothing is done
        if entry.what == "retried" and entry.retry_at is not None:
            bars.append(scale.bar("waits", entry.at, max(entry.at, min(entry.retry_at, end))))
    marks = [scale.bar(entry.what, entry.at, entry.at) for entry in stage.entries if entry.what in MARKED]
    attempts = [_attempt(trail, scale, _moment(stage, trail, now)) for trail in stage.trails]
    return Row(stage, bars, marks, _says(stage), attempts)


def _given(stage: Stage) -> datetime:
    """When it was given its event."""
    return min(stage.input.at, stage.began_at) if stage.input else stage.began_at


def _begin(stage: Stage) -> datetime:
    return _given(stage) + timedelta(seconds=stage.waited_seconds or 0)


def _end(stage: Stage, now: datetime) -> datetime:
    return stage.ended_at or now


def _says(stage: Stage) -> str:
    waited = "" if stage.waited_seconds is None else f"waited {stage.waited_seconds:.1f} s, "
    took = "goes on" if stage.seconds is None else f"took {stage.seconds:.1f} s"
    counts = {what: sum(entry.what == what for entry in stage.entries) for what in MARKED}
    return f"{stage.function}: {waited}{took}" + "".join(f", {count} {what}" for what, count in counts.items() if count)


def _moment(stage: Stage, trail: Trail, now: datetime) -> datetime:
    """Until when an attempt is known to have been at work."""
    if stage.state == "running" and trail is stage.trails[-1]:
        return now
    return trail.began_at + timedelta(seconds=trail.seconds)


def _attempt(trail: Trail, scale: _Scale, until: datetime) -> Attempt:
    """What failed, goes on or said something is drawn in any case."""
    said = {line.number for line in trail.lines}
    plain = {
        one.number: one.number not in said and one.error is None and one.seconds is not None for one in trail.steps
    }
    drawn = sorted(sorted(trail.steps, key=lambda one: plain[one.number])[:PARTS], key=lambda one: one.number)
    numbers = {one.number for one in drawn}
    parts = [_part(one, scale, until, [line for line in trail.lines if line.number == one.number]) for one in drawn]
    others = summed_up([one for one in trail.steps if one.number not in numbers], trail.beyond)
    return Attempt(trail, parts, others, [line for line in trail.lines if line.number not in numbers])


def _part(step: Step, scale: _Scale, until: datetime, lines: list[Line]) -> Part:
    end = until if step.seconds is None else step.at + timedelta(seconds=step.seconds)
    return Part(step, scale.bar("bad" if step.error else "step", step.at, max(step.at, end)), lines)


def summed_up(steps: list[Step], beyond: list[Steps]) -> list[Steps]:
    """Steps by their kind, together with those that were summed up before."""
    totals = {one.kind: one for one in beyond}
    for step in steps:
        so_far = totals.get(step.kind) or Steps(kind=step.kind, count=0, failed=0, seconds=0.0, longest=0.0)
        seconds = step.seconds or 0.0
        totals[step.kind] = Steps(
            kind=step.kind,
            count=so_far.count + 1,
            failed=so_far.failed + (step.error is not None),
            seconds=so_far.seconds + seconds,
            longest=max(so_far.longest, seconds),
        )
    return list(totals.values())
