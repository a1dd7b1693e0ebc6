"""A rebuild of a long log, beside its floors: the topics read and nothing done, and the same rows copied from memory.

Usage: python -m benchmarks.rebuilding [--videos 10000] [--dimensions 384]
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
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress

from benchmarks import floor
from benchmarks.history import WORDS, History, write
from chronos import app, rebuilding, sides, switching
from chronos.config import Settings
from chronos.devstack.stack import Beside, DevStack
from chronos.pipeline import EVENTS
from chronos.refolding import log_ends
from chronos.searching import DEPTH, SQL
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics
from streams.postgres import Pool
from streams.reading import LogScan


async def measure(settings: Settings, videos: int, dimensions: int) -> None:
    history = History(dimensions)
    began = time.monotonic()
    records = await write(app.cluster(settings), history, videos)
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"{records} records of {videos} videos, {dimensions} dimensions; written in {time.monotonic() - began:.0f} s")
    async with app.projection_pool(settings, most=1) as pool:
        while await pool.fetchval("SELECT coalesce(sum(next_offset), 0) FROM checkpoints") < records:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    first = await rebuild(settings)
    print(f"first rebuild: {first.facts / first.seconds:,.0f} records/s ({first.facts} in {first.seconds:.1f} s), "
          f"vector index {first.index_seconds:.1f} s more")  # fmt: skip
    await switching.switch(settings, "bench")
    await switching.drop(settings, "bench")

    async with app.projection_pool(settings, most=2) as pool:
        before = await searches(pool, 100)
        stop = asyncio.Event()
        during = asyncio.create_task(searches_until(pool, stop))
        peak = asyncio.create_task(peak_memory(stop))
        second = await rebuild(settings)
        stop.set()
        print(f"second rebuild, beside searches: {second.facts / second.seconds:,.0f} records/s; "
              f"differences {sum(d.added + d.gone + d.changed for d in second.differences)}; "
              f"memory of a process at most {await peak >> 20} MB")  # fmt: skip
        print(f"search p95: {p95(before):.1f} ms before, {p95(await during):.1f} ms during the rebuild")
        read = await asyncio.to_thread(read_all, settings, await log_ends(settings, [event.name for event in EVENTS]))
        rows, seconds = await floor.copy(pool, 20_000)
    print(f"floors, one process each: the topics read in {read:.1f} s ({records / read:,.0f} records/s); "
          f"{rows} rows copied in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)")  # fmt: skip
    slower = max(read, seconds)
    print(f"the rebuild: {rows / first.seconds:,.0f} rows/s, {first.seconds / slower:.2f} times the slower floor")


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


async def searches(pool: Pool, count: int) -> list[float]:
    """Milliseconds of searches by words."""
    return [await one_search(pool, n) for n in range(count)]


async def searches_until(pool: Pool, stop: asyncio.Event) -> list[float]:
    found = []
    while not stop.is_set():
        found.append(await one_search(pool, len(found)))
        await asyncio.sleep(0.05)
    return found


async def one_search(pool: Pool, n: int) -> float:
    began = time.monotonic()
    await pool.fetch(SQL["by_words"], " ".join(WORDS[n % 1_000 : n % 1_000 + 2]), f"creator-{n % 200}", DEPTH)
    return (time.monotonic() - began) * 1000


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=384)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, DevStack(Path(folder)) as stack:
        Topics(Cluster(stack.bootstrap)).create(TOPICS.values())
        ready = Path(folder) / "projection.ready"
        argv = [sys.executable, "-m", "chronos", "worker", "--projection", "--ready-file", str(ready)]
        info = stack.announce()
        settings = Settings.load(home=Path(folder))
        asyncio.run(sides.prepare(settings))
        stack.run(Beside("projection", argv, {"CHRONOS_HOME": folder}, ready.exists))
        del info
        asyncio.run(measure(settings, asked.videos, asked.dimensions))


if __name__ == "__main__":
    main()
