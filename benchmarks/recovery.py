"""Recovery: how long after a worker's kill -9 its partitions have their first new event, at the default settings.

Usage: python -m benchmarks.recovery [--kills 5]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import signal
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.consuming import stack, worker
from chronos.devstack.stack import DevStack
from schemas.avro import decode, encode
from schemas.topics import PARTITIONS
from schemas.transcription import TranscribeRequested, TranscriptionStarted
from streams.kafka import Cluster, Outbox

CREATORS = 60  # enough to reach every partition
RATE = 60  # requests a second: little, so that what is measured is waiting and not work
WORKERS = ("a", "b")


@dataclass
class Watch:
    """What was asked for, what came of it, and which worker has which partition."""

    partitions: dict[str, int] = field(default_factory=dict)  # of each request
    owners: dict[int, str] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)  # when each request's event came

    def saw(self, fact: TranscriptionStarted) -> None:
        self.seen.setdefault(fact.video_id, time.monotonic())
        if (partition := self.partitions.get(fact.video_id)) is not None:
            self.owners[partition] = fact.creator_id

    def of(self, who: str) -> set[int]:
        return {partition for partition, owner in self.owners.items() if owner == who}

    def is_shared(self) -> bool:
        return len(self.owners) == PARTITIONS and all(self.of(who) for who in WORKERS)

    def unanswered(self, partitions: set[int]) -> set[str]:
        return {video for video, p in self.partitions.items() if p in partitions and video not in self.seen}


async def ask(bootstrap: str, watch: Watch) -> None:
    """Requests, evenly, until it is cancelled."""
    outbox, n = Outbox(Cluster(bootstrap)), 0
    while True:
        event = TranscribeRequested(video_id=f"v{n}", creator_id=f"creator-{n % CREATORS}", storage_path="nowhere")
        stored = await outbox.send(event.name, event.key().encode(), encode(event), [])
        watch.partitions[event.video_id] = stored.place.partition
        n += 1
        await asyncio.sleep(1 / RATE)


async def listen(bootstrap: str, watch: Watch) -> None:
    places = [TopicPartition(TranscriptionStarted.name, partition) for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=10)
    consumer.assign(places)
    async with consumer:
        async for record in consumer:
            watch.saw(decode(TranscriptionStarted, record.value))


@asynccontextmanager
async def watched(bootstrap: str) -> AsyncIterator[Watch]:
    watch = Watch()
    tasks = [asyncio.create_task(chore(bootstrap, watch)) for chore in (ask, listen)]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(what: str, holds: Callable[[], bool], patience: float = 120.0) -> float:
    """The moment when it holds."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience} s: {what}")
        await asyncio.sleep(0.01)
    return time.monotonic()


@dataclass(frozen=True)
class Kill:
    """One worker's death, and what was seen after it."""

    killed: float
    first: float  # an event on any of its partitions
    all: float  # one on each of them
    begun: set[str]  # the requests that it had in hand


async def kill(up: DevStack, watch: Watch, who: str) -> Kill:
    await asyncio.sleep(random.uniform(2.0, 5.0))  # any moment between two heartbeats
    lost = watch.of(who)
    pid = next(w.pid for w in up.announce().workers if w.name == who)
    os.kill(pid, signal.SIGKILL)
    killed, begun = time.monotonic(), watch.unanswered(lost)
    first = await until("a first event", lambda: len(watch.of(who)) < len(lost))
    each = await until("an event on each", lambda: not watch.of(who))
    await asyncio.to_thread(up.revive)
    await until("both have partitions", watch.is_shared)
    return Kill(killed, first, each, begun)


async def measure(up: DevStack, count: int) -> dict[str, list[float]]:
    """Seconds from each kill, by what was waited for."""
    async with watched(up.bootstrap) as watch:
        await until("both have partitions", watch.is_shared)
        kills = [await kill(up, watch, WORKERS[n % 2]) for n in range(count)]
        await until("all that was begun", lambda: all(one.begun <= watch.seen.keys() for one in kills))
    return {
        "first new event on its partitions": [one.first - one.killed for one in kills],
        "a new event on each of them": [one.all - one.killed for one in kills],
        "the last of what it had in hand": [
            max(watch.seen[video] for video in one.begun) - one.killed for one in kills if one.begun
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    asked = parser.parse_args()
    with stack() as up:
        up.run(*(worker(up, who, "echo", WHO=who) for who in WORKERS))
        found = asyncio.run(measure(up, asked.kills))
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"{asked.kills} kills of one of two workers (session timeout 10 s, lease 60 s), seconds, median (worst):")
    for what, times in found.items():
        print(f"{what}: {statistics.median(times):.1f} ({max(times):.1f})")


if __name__ == "__main__":
    main()
