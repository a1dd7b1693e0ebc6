"""A rebuild of a long log, beside its floors: the topics read and nothing done, and the same rows copied from memory.

Usage: python -m benchmarks.rebuilding [--videos 10000] [--dimensions 384] [--also 0]

Exit code 1 where a goal is missed: at most 1.5 times the slower floor, 1 GB a process, twice the p95 of searches, 5 s
for a switch of the embedding space, and no difference to the tables of before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress

from benchmarks import floor
from benchmarks.history import WORDS, History, write
from chronos import app, rebuilding, sides, spaces, switching
from chronos.adapters import vectors
from chronos.config import Settings
from chronos.devstack.stack import Beside, DevStack
from chronos.embedders import parts_of
from chronos.pipeline import EVENTS
from chronos.refolding import log_ends
from chronos.searching import DEPTH, SQL
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics
from streams.postgres import Pool
from streams.reading import LogScan


@dataclass
class Figures:
    """What was measured. Times in seconds, but for searches (milliseconds)."""

    records: int
    rows: int
    rebuilt: float
    index: float
    differences: int
    memory: int  # bytes of the largest process
    p95_before: float
    p95_during: float
    read: float  # floor
    copied: float  # floor
    switched: tuple[float, float] | None  # the embedding space, and back

    def slower(self) -> float:
        """How many times the slower floor the rebuild took."""
        return self.rebuilt / max(self.read, self.copied)

    def lines(self) -> list[str]:
        lines = [
            f"the rebuild: {self.rebuilt:.1f} s, {self.records / self.rebuilt:,.0f} records/s, "
            f"{self.rows / self.rebuilt:,.0f} rows/s; the vector index {self.index:.1f} s more",
            f"floors, one process each: topics read in {self.read:.1f} s, {self.records / self.read:,.0f} records/s;",
            f"{self.rows} rows copied in {self.copied:.1f} s, {self.rows / self.copied:,.0f} rows/s",
            f"that is {self.slower():.2f} times the slower floor; memory of a process at most {self.memory >> 20} MB",
            f"search p95: {self.p95_before:.1f} ms before, {self.p95_during:.1f} ms during a rebuild; "
            f"{self.differences} differences to the tables of before",
        ]
        if self.switched:
            lines.append("another embedding space: switched to in {:.1f} s, back in {:.1f} s".format(*self.switched))
        return lines

    def missed(self) -> list[str]:
        goals = {
            "1.5 times the slower floor": self.slower() <= 1.5,
            "1 GB a process": self.memory < 1 << 30,
            "twice the p95 of searches": self.p95_during < 2 * self.p95_before,
            "no difference": self.differences == 0,
            "5 s for a switch": not self.switched or max(self.switched) < 5,
        }
        return [goal for goal, met in goals.items() if not met]


async def measure(settings: Settings, videos: int, history: History, start_projection: Callable[[], None]) -> Figures:
    began = time.monotonic()
    records = await write(app.cluster(settings), history, videos)
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"{records} records of {videos} videos; written in {time.monotonic() - began:.0f} s", flush=True)
    first = await rebuild(settings)
    await switching.switch(settings, "bench")
    await switching.drop(settings, "bench")
    await asyncio.to_thread(start_projection)  # only now: the tables are there already

    async with app.projection_pool(settings, most=2) as pool:
        search = Searching(pool, history)
        before = [await search.once() for _ in range(200)]
        stop = asyncio.Event()
        during, peak = asyncio.create_task(search.until(stop)), asyncio.create_task(peak_memory(stop))
        second = await rebuild(settings)
        stop.set()
        switched = await switch_spaces(settings, history) if history.second in await known(pool) else None
        read = await asyncio.to_thread(read_all, settings, await log_ends(settings, [event.name for event in EVENTS]))
        rows, copied = await floor.copy(pool, 20_000)
    return Figures(
        records=records,
        rows=rows,
        rebuilt=first.seconds,
        index=first.index_seconds,
        differences=sum(d.added + d.gone + d.changed for d in second.differences),
        memory=await peak,
        p95_before=p95(before),
        p95_during=p95(await during),
        read=read,
        copied=copied,
        switched=switched,
    )


async def known(pool: Pool) -> set[str]:
    return {space.name for space in await spaces.known(pool)}


async def switch_spaces(settings: Settings, history: History) -> tuple[float, float]:
    began = time.monotonic()
    await spaces.switch(settings, history.second, "bench")
    there = time.monotonic()
    await spaces.rollback(settings, "bench")
    return there - began, time.monotonic() - there


async def rebuild(settings: Settings) -> rebuilding.Rebuilt:
    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("rebuild", total=1.0)
        return await rebuilding.rebuild(
            settings, lambda what, share: shown.update(task, description=what, completed=share)
        )  # fmt: skip


def read_all(settings: Settings, ends: rebuilding.Ends) -> float:
    """Seconds for every record of the topics, of which nothing is made. Blocks."""
    began = time.monotonic()
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    for _ in LogScan(app.cluster(settings), most=5_000).read(until, begins):
        pass
    return time.monotonic() - began


class Searching:
    """Searches by words and by meaning, each with another question."""

    def __init__(self, pool: Pool, history: History) -> None:
        self._pool, self._history, self._asked = pool, history, 0
        _, self._dimensions = parts_of(history.space)

    async def once(self) -> float:
        """Milliseconds."""
        n, self._asked = self._asked, self._asked + 1
        creator = f"creator-{n % 200}"
        nearest = SQL["by_meaning"].replace("embedding_cast", vectors.cast(self._dimensions))
        question = self._history.vector(self._dimensions)
        began = time.monotonic()
        await self._pool.fetch(SQL["by_words"], " ".join(WORDS[n % 1_000 : n % 1_000 + 2]), creator, DEPTH)
        await self._pool.fetch(nearest, question, self._history.space, creator, DEPTH)
        return (time.monotonic() - began) * 1000

    async def until(self, stop: asyncio.Event) -> list[float]:
        found = []
        while not stop.is_set():
            found.append(await self.once())
            await asyncio.sleep(0.05)
        return found


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


async def peak_memory(stop: asyncio.Event) -> int:
    """Bytes of the largest of our processes, at most."""
    found = 0
    while not stop.is_set():
        for process in psutil.Process().children(recursive=True):
            try:
                if "spawn_main" in " ".join(process.cmdline()):
                    found = max(found, process.memory_info().rss)
            except psutil.Error:
                continue
        await asyncio.sleep(0.2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--also", type=int, default=0, help="videos that are in a second space too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, DevStack(Path(folder)) as stack:
        Topics(Cluster(stack.bootstrap)).create(TOPICS.values())
        ready = Path(folder) / "projection.ready"
        argv = [sys.executable, "-m", "chronos", "worker", "--projection", "--ready-file", str(ready)]
        stack.announce()
        settings = Settings.load(home=Path(folder))
        asyncio.run(sides.prepare(settings))
        projection = Beside("projection", argv, {"CHRONOS_HOME": folder}, ready.exists)
        history = History(asked.dimensions, asked.also)
        figures = asyncio.run(measure(settings, asked.videos, history, lambda: stack.run(projection)))
    print("\n".join(figures.lines()))
    if missed := figures.missed():
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
