"""Consuming alone: events a second through a function that does nothing, beside plain aiokafka on the same topic.

Usage: python -m benchmarks.consuming [--records 20000] [--profile PREFIX]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from chronos.devstack.stack import Beside, DevStack
from schemas.avro import encode
from schemas.topics import TOPICS
from schemas.transcription import TranscribeRequested
from streams.kafka import Cluster, Outbox, Topics
from streams.reading import committed

CREATORS = 50
MORE = 10  # times as many records for who commits rarely: it would be done before it could be measured
COMMITTED = 0.05  # seconds between looks at what a group has committed
KINDS = {
    "engine": ("chronos.do-nothing", "a function that does nothing (ledger, lanes, journal)"),
    "careful": ("plain-True", "plain aiokafka, committing after each record"),
    "plain": ("plain-False", "plain aiokafka, committing after 500 records"),
}


@contextmanager
def stack() -> Iterator[DevStack]:
    """A stack of its own, with the topics."""
    with tempfile.TemporaryDirectory() as folder, DevStack(Path(folder)) as up:
        Topics(Cluster(up.bootstrap)).create(TOPICS.values())
        yield up


def worker(up: DevStack, name: str, kind: str, **env: str) -> Beside:
    """A process of benchmarks.idle_worker, ready when it consumes."""
    ready = up.home / f"{name}.ready"
    argv = [sys.executable, "-m", "benchmarks.idle_worker", kind]
    return Beside(name, argv, {"READY_FILE": str(ready), **env}, ready.exists)


async def produce(bootstrap: str, count: int) -> None:
    outbox = Outbox(Cluster(bootstrap))
    events = [
        TranscribeRequested(video_id=f"v{n}", creator_id=f"creator-{n % CREATORS}", storage_path=f"v{n}.mp4")
        for n in range(count)
    ]
    await asyncio.gather(*(outbox.send(e.name, e.key().encode(), encode(e), []) for e in events))
    await outbox.close()


def rate(up: DevStack, kind: str, count: int, profile: str) -> tuple[float, float]:
    """Records a second from the first that came to the last that was committed, and CPU µs of its process a record."""
    first, (group, _) = up.home / f"{kind}.first", KINDS[kind]
    up.run(worker(up, kind, kind, FIRST_FILE=str(first), PROFILE=profile))
    process = psutil.Process(next(w.pid for w in up.announce().workers if w.name == kind))
    topic = TOPICS[TranscribeRequested.name]
    places = [(topic.name, partition) for partition in range(topic.partitions)]
    deadline = time.monotonic() + 300
    while (done := sum(committed(Cluster(up.bootstrap), group, places).values())) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{kind}: {done} of {count} after 300 s")
        time.sleep(COMMITTED)
    moment, spent = map(float, first.read_text().split())
    seconds, spent = time.monotonic() - moment, sum(process.cpu_times()[:2]) - spent
    process.terminate()
    process.wait(60)
    return count / seconds, spent / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--profile", default="", help="prefix of cProfile files of the processes")
    asked = parser.parse_args()
    with stack() as up:
        asyncio.run(produce(up.bootstrap, asked.records))
        found = {kind: rate(up, kind, asked.records, asked.profile) for kind in ("engine", "careful")}
        asyncio.run(produce(up.bootstrap, asked.records * (MORE - 1)))
        found["plain"] = rate(up, "plain", asked.records * MORE, asked.profile)
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    for kind, (a_second, spent) in found.items():
        share = found["engine"][0] / a_second
        beside = "" if kind == "engine" else f"; the function has {share:.3f} of it"
        print(f"{KINDS[kind][1]}: {a_second:.0f} records/s, {spent:.0f} µs of CPU a record{beside}")


if __name__ == "__main__":
    main()
