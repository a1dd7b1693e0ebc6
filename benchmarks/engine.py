"""The engine alone: how long an idle video takes, how many a second, and the floor beneath both.

Usage: python -m benchmarks.engine [--videos 1000] [--profile FILE]
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
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks import floor
from benchmarks.fast_worker import DIMENSIONS, SPACE
from chronos import app
from chronos.config import Settings
from chronos.devstack.home import Info
from chronos.devstack.stack import Beside, DevStack
from chronos.sending import Sender, sender
from schemas.spaces import SpaceActivated, SpaceRegistered
from schemas.topics import TOPICS
from schemas.transcription import TranscribeRequested
from streams.kafka import Cluster, Topics
from streams.postgres import Pool

CREATORS = 50


async def request(send: Sender, n: int, run: str) -> None:
    video = f"{run}-{n}"
    await send.send(
        TranscribeRequested(video_id=video, creator_id=f"creator-{n % CREATORS}", storage_path=f"{video}.mp4")
    )


async def activate(send: Sender) -> None:
    """So that the projection has to decide what search uses, as it does everywhere."""
    model, _ = SPACE.split("/")
    await send.send(SpaceRegistered(space=SPACE, model=model, dimensions=DIMENSIONS, by="bench", why="its videos"))
    await send.send(SpaceActivated(space=SPACE, by="bench", why="its videos"))


async def completed(pool: Pool, run: str, count: int, poll: float, patience: float = 120.0) -> float:
    """Waits until so many videos of a run are completed in the tables; gives the moment."""
    deadline = time.monotonic() + patience
    sql = "SELECT count(*) FROM videos WHERE video_id LIKE $1 AND status = 'completed'"
    while await pool.fetchval(sql, f"{run}-%") < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{await pool.fetchval(sql, f'{run}-%')} of {count} videos after {patience} s")
        await asyncio.sleep(poll)
    return time.monotonic()


async def latency(send: Sender, pool: Pool, times: int) -> list[float]:
    """Seconds from the produce to completed in Postgres, one video after another."""
    found = []
    for n in range(times):
        began = time.monotonic()
        await request(send, n, "idle")
        found.append(await completed_one(pool, f"idle-{n}") - began)
        await asyncio.sleep(0.02)
    return found


async def completed_one(pool: Pool, video: str) -> float:
    sql = "SELECT status FROM videos WHERE video_id = $1"
    while await pool.fetchval(sql, video) != "completed":  # noqa: ASYNC110  # another process writes it
        await asyncio.sleep(0.001)
    return time.monotonic()


async def throughput(send: Sender, pool: Pool, videos: int, run: str) -> float:
    """Videos a second, from the first produce to the last completed."""
    began = time.monotonic()
    await asyncio.gather(*(request(send, n, run) for n in range(videos)))
    return videos / (await completed(pool, run, videos, 0.05) - began)


class Meter:
    """CPU time of the stack's processes, children included: where the time goes."""

    def __init__(self, info: Info) -> None:
        pids = {"broker": info.kafka_pid, "database": info.database_pid}
        pids |= {worker.name: worker.pid for worker in info.workers}
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._before = self._read()

    def _read(self) -> dict[str, float]:
        return {
            name: sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))
            for name, process in self._processes.items()
        }

    def spent(self) -> dict[str, float]:
        """Seconds of CPU since it was made."""
        return {name: seconds - self._before[name] for name, seconds in self._read().items()}


async def measure(settings: Settings, info: Info, videos: int) -> None:
    ids = await app.topic_ids(settings)
    async with app.projection_pool(settings) as pool, sender(app.cluster(settings), ids, "bench") as send:
        await activate(send)
        await throughput(send, pool, 100, "warm")
        idle = sorted(await latency(send, pool, 50))
        meter = Meter(info)
        rate = await throughput(send, pool, videos, "many")
        spent = meter.spent()
        total = 150 + videos
        records, producing = await asyncio.to_thread(floor.produce, app.cluster(settings))
        rows, copying = await floor.copy(pool)
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"idle latency of one video: p50 {statistics.median(idle) * 1000:.0f} ms, p99 {idle[-1] * 1000:.0f} ms (50)")
    print(f"throughput: {rate:.0f} videos/s ({videos} videos of {CREATORS} creators)")
    print(
        f"floor, nothing but the same writes: {total / (producing + copying):.0f} videos/s "
        f"({records} records in {producing:.1f} s, {rows} rows in {copying:.1f} s)"
    )
    print("CPU ms a video: " + ", ".join(f"{name} {seconds * 1000 / videos:.1f}" for name, seconds in spent.items()))


async def backlog(settings: Settings, info: Info, count: int) -> None:
    """What so many waiting requests of one creator cost a worker in memory, all else held up."""
    ids = await app.topic_ids(settings)
    worker = psutil.Process(next(w.pid for w in info.workers if w.name == "worker"))
    before = worker.memory_info().rss
    async with sender(app.cluster(settings), ids, "bench") as send:
        await asyncio.gather(*(request(send, n * CREATORS, "wait") for n in range(count)))
    await asyncio.sleep(10)  # the worker takes them in; there is nothing to be seen from outside
    after = worker.memory_info().rss
    print(f"{count} waiting requests: worker {before >> 20} MB before, {after >> 20} MB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--profile", help="prefix of cProfile files of worker and projection")
    asked = parser.parse_args()
    run(lambda settings, info: measure(settings, info, asked.videos), profile=asked.profile or "")
    run(lambda settings, info: backlog(settings, info, 10_000), hold="1")


def run(measuring: Callable[[Settings, Info], Coroutine[Any, Any, None]], *, profile: str = "", hold: str = "") -> None:
    """A stack of its own for one measurement."""
    with tempfile.TemporaryDirectory() as folder, DevStack(Path(folder)) as stack:
        Topics(Cluster(stack.bootstrap)).create(TOPICS.values())
        env = {"CHRONOS_HOME": folder, "PROFILE": profile, "HOLD": hold}
        for name in ("worker", "projection"):
            ready = Path(folder) / f"{name}.ready"
            argv = [sys.executable, "-m", "benchmarks.fast_worker", name]
            stack.run(Beside(name, argv, {**env, "READY_FILE": str(ready)}, ready.exists))
        info = stack.announce()
        asyncio.run(measuring(Settings.load(home=folder), info))


if __name__ == "__main__":
    main()
