"""Where a group shall begin: the eight ways of Kafka's own tool, with the same answers for the same words. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Place: TypeAlias = tuple[str, int]  # topic, partition
Offsets: TypeAlias = Mapping[Place, int]


class BadWay(ValueError):
    """What was asked for says no place to begin at."""


@dataclass(frozen=True)
class Ground:
    """What a group's partitions hold and where it stands."""

    ends: Mapping[Place, tuple[int, int]]  # first and next offset
    committed: Offsets


@dataclass(frozen=True)
class Earliest:
    pass


@dataclass(frozen=True)
class Latest:
    pass


@dataclass(frozen=True)
class Current:
    pass


@dataclass(frozen=True)
class Moment:
    """The first record of then or later; the end, where there is none."""

    at: datetime


@dataclass(frozen=True)
class Shift:
    by: int


@dataclass(frozen=True)
class Offset:
    at: int


@dataclass(frozen=True)
class Listed:
    """Offsets by partition, as a file lists them."""

    offsets: Offsets


Way = Earliest | Latest | Current | Moment | Shift | Offset | Listed


def targets(way: Way, ground: Ground, at: Callable[[datetime], Offsets]) -> dict[Place, int]:
    """Where each partition shall begin. Kept within the log, as Kafka's tool does.

    Partitions for which the group has committed nothing are left alone, unless a file lists them: they are read from
    their beginning anyway. `at` gives the first offsets of a moment.
    """
    moment = at(way.at) if isinstance(way, Moment) else {}
    wanted = way.offsets if isinstance(way, Listed) else dict.fromkeys(ground.committed, 0)
    found = {}
    for place in sorted(wanted):
        if place not in ground.ends:
            raise BadWay(f"{place[0]}/{place[1]} is no partition that this group reads")
        low, high = ground.ends[place]
        match way:
            case Earliest():
                target = low
            case Latest():
                target = high
            case Current():
                target = ground.committed[place]
            case Moment():
                target = moment.get(place, high)
            case Shift(by):
                target = ground.committed[place] + by
            case Offset(offset):
                target = offset
            case Listed(offsets):
                target = offsets[place]
        found[place] = min(max(low, target), high)
    return found


def only_one(ways: Mapping[str, Way | None], *, asked: bool) -> Way | None:
    """The one way that was given, by the names that people know them by; none, where it is asked by question.

    Raises:
        BadWay.
    """
    given = {name: way for name, way in ways.items() if way is not None}
    if asked and given:
        raise BadWay(f"say it by question or by offset, not both: {', '.join(given)}")
    if not asked and len(given) != 1:
        raise BadWay(f"say where to in one way, not {len(given)}: {', '.join(given or ways)}, or --where")
    return next(iter(given.values()), None)


def ago(text: str, now: datetime) -> Moment:
    """Before so long, as `PT2H`."""
    try:
        return Moment(now - parse_duration(text))
    except OverflowError:
        raise BadWay(f"{text!r} ago is before all calendars") from None


def parse_moment(text: str) -> datetime:
    """`2026-11-25T08:30:00.000`, with or without a zone: without one it is UTC, as for Kafka's tool."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadWay(
            f"{text!r} is no time: give 2026-11-25T08:30:00.000, with +01:00 behind it for a zone (else UTC)"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def parse_duration(text: str) -> timedelta:
    """ISO 8601, as `P1DT2H30M`."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise BadWay(f"{text!r} is no duration: give PnDTnHnMnS, as P7D or PT2H30M")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def parse_file(text: str, group: str) -> Listed:
    """Lines of `topic,partition,offset` or `group,topic,partition,offset`, as Kafka's tool exports and reads them."""
    found: dict[Place, int] = {}
    for number, row in enumerate(_rows(text), 1):
        if not row:
            continue
        fields = [field.strip() for field in row]
        if len(fields) == 4 and fields[0] == group:
            fields = fields[1:]
        if len(fields) != 3 or not all(re.fullmatch(r"[0-9]{1,18}", field) for field in fields[1:]):
            raise BadWay(f"line {number}: {','.join(row)!r} is not topic,partition,offset of group {group}")
        found[fields[0], int(fields[1])] = int(fields[2])
    if not found:
        raise BadWay("the file lists no partition")
    return Listed(found)


def _rows(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise BadWay(f"these are no lines of topic,partition,offset: {error}") from error


def to_csv(offsets: Offsets) -> str:
    """As `--export` prints it and `--from-file` reads it."""
    return "".join(f"{topic},{partition},{offset}\n" for (topic, partition), offset in sorted(offsets.items()))


def scope(ends: Mapping[Place, tuple[int, int]], topics: Iterable[str]) -> dict[Place, tuple[int, int]]:
    """Only these topics, each `name` or `name:0,1,2`, as Kafka's `--topic` takes them; all, where none is named."""
    chosen: dict[str, set[int] | None] = {}
    for text in topics:
        name, _, numbers = text.partition(":")
        if not any(topic == name for topic, _ in ends):
            raise BadWay(f"{name!r} is no topic that this group reads: {', '.join(sorted({t for t, _ in ends}))}")
        if not re.fullmatch(r"(\d+(,\d+)*)?", numbers):
            raise BadWay(f"{text!r}: give name or name:0,1,2")
        chosen[name] = {int(number) for number in numbers.split(",")} if numbers else None
    if not chosen:
        return dict(ends)
    return {
        (topic, partition): found
        for (topic, partition), found in ends.items()
        if topic in chosen and (chosen[topic] is None or partition in (chosen[topic] or ()))
    }
