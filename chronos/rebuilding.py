"""chronos rebuild: the tables folded anew from the whole log beside the live ones, then followed and compared."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from chronos import app, logs, operations, sides
from chronos.adapters import serving, vectors
from chronos.config import Settings
from chronos.folding import folding
from chronos.pipeline import EVENTS
from chronos.refolding import Ends, log_ends
from chronos.sides import LAYOUT, Side
from chronos.switching import (
    AlreadyRebuilding,
    Answers,
    Difference,
    NotCaughtUp,
    alone,
    ask_both,
    compare,
    lag_of,
    marks,
)
from schemas.deletion import VideoDeleted
from schemas.topics import TOPICS
from streams.bulk import Bulk
from streams.postgres import Connection
from streams.projector import Place
from streams.reading import LogScan

PATIENCE = 60.0  # seconds for a projection worker to take a new side up
LOOK = 0.2

Progress = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)


@dataclass
class Rebuilt:
    """What a rebuild came to."""

    schema: str
    facts: int = 0
    seconds: float = 0.0
    index_seconds: float = 0.0
    differences: list[Difference] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": self.schema,
            "facts": self.facts,
            "seconds": round(self.seconds, 1),
            "indexSeconds": round(self.index_seconds, 1),
            "questions": [one.to_json() for one in self.answers],
            "differences": {
                d.table: {"added": d.added, "gone": d.gone, "changed": d.changed} for d in self.differences
            },
        }


async def rebuild(
    settings: Settings,
    progress: Progress = lambda what, share: None,
    *,
    processes: int | None = None,
    a_second: float | None = None,
    questions: Sequence[str] = (),
    reason: str | None = None,
) -> Rebuilt:
    """Folds the log into a new side, or goes on with one that was never looked at; then it is live, and compared.

    Raises:
        AlreadyRebuilding: nothing was done.
        NotCaughtUp: no projection worker follows the new side.
    """
    async with alone(settings) as connection:
        side = await _begin(settings, connection)
        schema = side.schema
        result = Rebuilt(schema)
        if side.state == "building":
            await _load(settings, progress, result, processes or os.cpu_count() or 1, a_second)
            await connection.execute(sides.SQL["live"], schema)
        progress("follow", 0.95)
        await _followed(settings, connection, schema)
        progress("compare", 0.97)
        active, _ = await sides.active(connection)
        result.differences = await compare(connection, active, schema)
        result.answers = await ask_both(settings, questions, active, schema) if questions else []
        progress("compare", 1.0)
        await operations.tell(settings, "rebuild", schema, reason, {"from": active}, result.to_json())
        return result


async def _begin(settings: Settings, connection: Connection) -> Side:
    """The side that is built: one that was begun before and was never looked at, or a new one."""
    known = await sides.sides(connection)
    active, before = await sides.active(connection)
    for side in known:
        if side.schema == before:
            raise AlreadyRebuilding(
                f"there is another side already, {before}: `chronos rebuild rollback` looks at it again, "
                "`chronos rebuild drop` removes it"
            )
        if side.schema != active:
            return side
    number = 2
    while f"{LAYOUT}_{number}" in {side.schema for side in known}:
        number += 1
    schema = f"{LAYOUT}_{number}"
    await sides.drop_schema(settings, schema)
    await sides.prepare_schema(settings, schema)
    await connection.execute(sides.SQL["add"], schema, LAYOUT)
    return next(side for side in await sides.sides(connection) if side.schema == schema)


async def _load(settings: Settings, progress: Progress, into: Rebuilt, processes: int, a_second: float | None) -> None:
    """Folds what is on the log by now into a side that nobody follows yet, and makes its indexes."""
    began = time.monotonic()
    ends = await log_ends(settings, [event.name for event in EVENTS])
    into.facts = await _Loading(settings, into.schema, ends, progress, a_second).load(processes)
    into.seconds = time.monotonic() - began
    progress("index", 0.9)
    began = time.monotonic()
    async with app.projection_pool(settings, most=1, schema=into.schema) as pool:
        await vectors.Partitions(settings.vector_index).index_where_it_pays(pool)
    into.index_seconds = time.monotonic() - began


class _Loading:
    """The bulk of a rebuild: spaces and deletions first, then the facts of videos by COPY, one process a core, then
    what people asked for, which touches the same rows from other partitions."""

    def __init__(
        self,
        settings: Settings,
        schema: str,
        ends: Ends,
        progress: Progress,
        a_second: float | None,
    ) -> None:
        self._settings, self._schema, self._progress, self._a_second = settings, schema, progress, a_second
        self._ends = ends
        self._total = max(1, sum(high - low for low, high in ends.values()))

    async def load(self, processes: int) -> int:
        """Gives how many records were read."""
        first = [place for place in self._ends if TOPICS[place[0]].key == "space" or place[0] == VideoDeleted.name]
        commands = [place for place in self._ends if TOPICS[place[0]].kind == "command"]
        rest = [place for place in self._ends if place not in {*first, *commands}]
        counter = multiprocessing.get_context("spawn").Value("q", 0)
        done = await load_part(self._settings, self._schema, first, self._ends, None, _counting(counter))
        with ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_child, initargs=(counter,)
        ) as pool:
            shares = [share for n in range(processes) if (share := commands[n::processes])]
            for units in (_by_number(rest), shares):
                done += await self._share_out(pool, units, counter, processes)
        return done

    async def _share_out(
        self, pool: ProcessPoolExecutor, units: Iterable[list[Place]], counter: Any, processes: int
    ) -> int:
        each = self._a_second / processes if self._a_second else None
        loop = asyncio.get_running_loop()
        jobs = [
            loop.run_in_executor(pool, _run_part, self._settings, self._schema, unit, self._ends, each)
            for unit in units
        ]
        waiting: set[asyncio.Future[int]] = set(jobs)
        try:
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=LOOK, return_when=asyncio.FIRST_EXCEPTION)
                self._progress("fold", 0.9 * min(1.0, counter.value / self._total))
                for job in jobs:
                    if job.done():
                        job.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        return sum(job.result() for job in jobs)


def _by_number(places: Iterable[Place]) -> list[list[Place]]:
    """Partitions of one number hold the same videos, whatever their topic."""
    units: dict[int, list[Place]] = {}
    for place in places:
        units.setdefault(place[1], []).append(place)
    return list(units.values())


_counter: Any = None  # of the records that all processes have read


def _child(counter: Any) -> None:
    """Ctrl-C is the parent's to answer; with the parent killed, its children end too."""
    global _counter  # a process of the pool has no other way to be given it
    _counter = counter
    logs.set_up(level=logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _counting(counter: Any) -> Callable[[int], None]:
    def count(records: int) -> None:
        with counter.get_lock():
            counter.value += records

    return count


def _run_part(settings: Settings, schema: str, places: Sequence[Place], ends: Ends, a_second: float | None) -> int:
    return asyncio.run(load_part(settings, schema, places, ends, a_second, _counting(_counter)))


async def load_part(
    settings: Settings,
    schema: str,
    places: Sequence[Place],
    ends: Ends,
    a_second: float | None,
    counted: Callable[[int], None],
) -> int:
    """Folds some partitions into a side; gives how many records that were."""
    async with app.projection_pool(settings, most=1, schema=schema) as pool:
        alone_here = serving.settling_alone()
        folded = replace(await folding(settings, pool, vectors.Partitions("none")), settling=alone_here)
        scan = LogScan(app.cluster(settings), most=5_000)
        bulk = Bulk(folded, scan, ends, counted, a_second)
        await bulk.load(places)
        return bulk.done


async def _followed(settings: Settings, connection: Connection, schema: str) -> None:
    """Waits until a projection worker has brought the new side to where the active one is.

    Raises:
        NotCaughtUp: with the remedy.
    """
    deadline, before = time.monotonic() + PATIENCE, -1
    there = await marks(connection)
    while behind := await lag_of(connection, schema, there):
        if behind != before:
            deadline, before = time.monotonic() + PATIENCE, behind
        if time.monotonic() > deadline:
            raise NotCaughtUp(
                f"side {schema} is {behind} events behind, and nothing follows it: "
                "start `chronos worker --projection`, and run `chronos rebuild` again, which goes on with it"
            )
        await asyncio.sleep(LOOK)
