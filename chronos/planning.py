"""Plans of rewinds: where a group shall begin, and what would come of it and cost. Nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chronos import app, sides
from chronos.choosing import Question, choose
from chronos.config import Settings
from chronos.foreseeing import Foreseer, Foresight
from chronos.offsets import BadWay, Ground, Place, Way, scope, targets
from chronos.pipeline import EVENTS, FUNCTIONS, PROJECTION_GROUP
from chronos.plans import name_of
from chronos.replaced import replaced
from schemas.event import Coordinates
from streams import postgres
from streams.journal import Rewind, prepare
from streams.postgres import Pool, load_queries
from streams.progress import Progress
from streams.reading import LogReader, LogScan, committed, offsets_at
from streams.record import Record
from streams.stage import Function

SQL = load_queries("streams.sql", "progress.sql")

SILENT_A_SECOND = 1_000  # events that are over and are acked in bulk, with reading (measured on two cores)

Told = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)
NEXT = 1 << 30  # a rewind's number is greater than all that were


class NoSuchGroup(Exception):
    """No function and no projection has such a group."""


@dataclass(frozen=True)
class Plan:
    """What a rewind would do. Money in millionths of a dollar."""

    group: str
    moves: Mapping[Place, tuple[int, int]]  # from, to
    reemit: bool
    foresight: Foresight
    skipped: int  # events that would be passed over without being processed
    seconds: float
    chosen: Sequence[Coordinates] | None = None  # only these, and no offset moves

    @property
    def id(self) -> str:
        """Names what matters in it: the same words at another time are another plan, if this has changed."""
        needs = self.foresight.needs
        to = sorted((topic, partition, target) for (topic, partition), (_, target) in self.moves.items())
        only = [(place.topic, place.partition, place.offset) for place in self.chosen or ()]
        says = [self.group, to, only, self.reemit, self.foresight.runs, needs.calls, needs.cost_micro_usd, self.skipped]
        return name_of(says)

    def allow(self, *, skip: bool) -> None:
        """
        Raises:
            BadWay: it passes over events, and nobody said that this is meant.
        """
        if self.skipped and not skip:
            raise BadWay(f"{self.skipped} events would never be processed: say --skip (or `skip`) if that is meant")

    @property
    def targets(self) -> dict[Place, int]:
        return {place: target for place, (_, target) in self.moves.items()}

    @property
    def follows(self) -> list[str]:
        """Functions that get something new to do if runs say something new: what they need is not in this plan."""
        function = _function(self.group)
        if function is None or not self.foresight.runs:
            return []
        return [other.name for other in FUNCTIONS if set(other.consumes) & set(function.emits)]

    def to_json(self) -> dict[str, Any]:
        seen, needs = self.foresight, self.foresight.needs
        return {
            "plan": self.id,
            "group": self.group,
            "reemit": self.reemit,
            "moves": [
                {"topic": topic, "partition": partition, "from": at, "to": to}
                for (topic, partition), (at, to) in sorted(self.moves.items())
            ],
            "events": seen.events,
            "passedOver": seen.passed_over,
            "silent": seen.silent,
            "runs": seen.runs,
            "videos": len(seen.videos),
            "creators": len(seen.creators),
            "remembered": needs.remembered,
            "paidCalls": needs.calls,
            "costMicroUsd": needs.cost_micro_usd,
            "unknown": needs.unknown,
            "follows": self.follows,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 1),
        }


def topics_of(group: str) -> list[str]:
    """The topics that a group reads.

    Raises:
        NoSuchGroup: names those that there are.
    """
    groups = {function.group(): sorted(event.name for event in function.consumes) for function in FUNCTIONS}
    groups[PROJECTION_GROUP] = sorted(event.name for event in EVENTS)
    name = PROJECTION_GROUP if sides.is_projection(group) else group if group in groups else f"chronos.{group}"
    if name not in groups:
        raise NoSuchGroup(f"no group is called {group!r}: there are {', '.join(sorted(groups))}")
    return groups[name]


def full_name(group: str) -> str:
    topics_of(group)
    return group if group.startswith("chronos.") else f"chronos.{group}"


async def ground(settings: Settings, group: str, topics: Sequence[str] = ()) -> Ground:
    """Where a group stands, in all of its partitions or in those of some topics."""
    cluster = app.cluster(settings)
    names = await app.partitions(settings, topics_of(group))
    ends = scope(await asyncio.to_thread(LogScan(cluster).ends, names), topics)
    return Ground(ends, await asyncio.to_thread(committed, cluster, group, ends))


async def standing(settings: Settings, group: str) -> tuple[str, Ground, dict[Place, int]]:
    """A group's full name, where it stands, and where rewinds want it to be that were not carried out yet.

    Raises:
        NoSuchGroup.
    """
    name = await _active(settings, full_name(group))
    ids = await app.topic_ids(settings)
    async with journal_pool(settings) as pool:
        wishes = (await Progress(pool, ids).wanted([name])).get(name, {})
    return name, await ground(settings, name), {place: wish.offset for place, wish in wishes.items()}


async def _active(settings: Settings, group: str) -> str:
    """The group of the side that is looked at, where the projection is meant."""
    if group != PROJECTION_GROUP:
        return group
    async with sides.one_connection(settings) as connection:
        return await sides.active_group(connection)


def _as_new(here: Ground, topics: Container[str]) -> Ground:
    """A group that says nothing of a partition of a topic that was made anew or has grown stands at its beginning."""
    begun = {place: low for place, (low, _) in here.ends.items() if place[0] in topics}
    return Ground(here.ends, begun | {place: min(at, here.ends[place][1]) for place, at in here.committed.items()})


async def plan(
    settings: Settings,
    group: str,
    way: Way,
    topics: Sequence[str] = (),
    *,
    reemit: bool = False,
    progress: Told = lambda what, share: None,
) -> Plan:
    """What a rewind would do. Nothing is changed.

    Raises:
        NoSuchGroup, BadWay: with the remedy.
    """
    group = await _active(settings, group)
    here = _as_new(await ground(settings, group, topics), await replaced(settings, group))
    cluster = app.cluster(settings)

    def at(moment: datetime) -> dict[Place, int]:
        return offsets_at(cluster, here.ends, max(0, int(moment.timestamp() * 1000)))

    found = await asyncio.to_thread(targets, way, here, at)
    if not found:
        raise BadWay(f"group {group} has committed nothing there yet: it reads from the beginning anyway")
    moves = {place: (here.committed.get(place, here.ends[place][0]), target) for place, target in found.items()}
    skipped = sum(max(0, target - begin) for begin, target in moves.values())
    if sides.is_projection(group) and skipped:
        raise BadWay("a projection cannot skip events: its tables would not be what the log says")
    back = {place: (target, begin) for place, (begin, target) in moves.items() if target < begin}
    events = sum(begin - target for target, begin in back.values())
    function = _function(group)
    if function is None:
        return Plan(group, moves, reemit, Foresight(events), skipped, events / SILENT_A_SECOND)
    begins, until = {p: target for p, (target, _) in back.items()}, {p: begin for p, (_, begin) in back.items()}
    batches = LogScan(cluster).read(until, begins)
    foresight, seconds = await _foresee(settings, function, batches, events, progress, reemit=reemit)
    return Plan(group, moves, reemit, foresight, skipped, seconds)


async def plan_chosen(
    settings: Settings,
    group: str,
    question: Question,
    *,
    reemit: bool = False,
    progress: Told = lambda what, share: None,
) -> Plan:
    """What it would come to if only what is meant were processed again. Nothing is changed.

    Raises:
        NoSuchGroup, NothingMeant, BadWay: with the remedy.
    """
    function = _function(group)
    if function is None:
        raise BadWay("a projection goes back by offsets alone: its tables are folded whole")
    places = await choose(settings, function, question)
    batches = _read_chosen(LogReader(app.cluster(settings)), places)
    foresight, seconds = await _foresee(settings, function, batches, len(places), progress, reemit=reemit)
    return Plan(group, {}, reemit, foresight, 0, seconds, places)


async def price(
    settings: Settings,
    function: Function,
    places: Sequence[Coordinates],
    progress: Told = lambda what, share: None,
) -> Foresight:
    """What a function would need if it were given anew what stands at these places, whatever became of that before."""
    foresight = Foresight()
    batches = _read_chosen(LogReader(app.cluster(settings)), places)
    async with _foreseer(settings, function) as (foreseer, _):
        while (records := await asyncio.to_thread(next, batches, None)) is not None:
            for record in records:
                await foreseer.price(record, foresight)
                progress("plan", foresight.events / len(places))
    return foresight


def _read_chosen(reader: LogReader, places: Sequence[Coordinates]) -> Iterator[list[Record]]:
    for at in range(0, len(places), 500):
        found = reader.all_at(places[at : at + 500])
        yield [record for record in found.values() if record is not None]


def _function(group: str) -> Function | None:
    return next((function for function in FUNCTIONS if function.group() == group), None)


async def _foresee(
    settings: Settings,
    function: Function,
    batches: Iterator[list[Record]],
    total: int,
    progress: Told,
    *,
    reemit: bool,
) -> tuple[Foresight, float]:
    foresight = Foresight()
    async with _foreseer(settings, function) as (foreseer, pool):
        while (records := await asyncio.to_thread(next, batches, None)) is not None:
            progress("plan", foresight.events / max(1, total))
            await foreseer.look(records, Rewind(NEXT, reemit), foresight)
        return foresight, await _seconds(pool, function, foresight)


@asynccontextmanager
async def _foreseer(settings: Settings, function: Function) -> AsyncIterator[tuple[Foreseer, Pool]]:
    async with app.projection_pool(settings, most=2) as pool:
        await prepare(pool)
        foreseer = Foreseer(settings, function, app.codec(await app.topic_ids(settings)), pool)
        try:
            yield foreseer, pool
        finally:
            await foreseer.close()


async def _seconds(pool: Pool, function: Function, foresight: Foresight) -> float:
    """By how long this function's last runs took, as many at once as its limits allow in one process."""
    typical = await pool.fetchval(SQL["typical_seconds"], function.name) or 0.5
    at_once = max(1, min(foresight.runs, function.limit * max(1, len(foresight.creators)), 100))
    return foresight.silent / SILENT_A_SECOND + foresight.runs * float(typical) / at_once


@asynccontextmanager
async def journal_pool(settings: Settings) -> AsyncIterator[Pool]:
    """The journal, made if no worker has run yet."""
    pool = await postgres.connect(settings.database(), most=2)
    try:
        await prepare(pool)
        yield pool
    finally:
        await pool.close()
