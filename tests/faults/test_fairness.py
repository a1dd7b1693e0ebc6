"""A creator with a long backlog holds up nobody, costs little memory, and a restart over it takes seconds."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from schemas.avro import encode
from schemas.topics import TOPICS
from schemas.transcription import TranscribeRequested
from streams.kafka import Cluster, Outbox, Topics
from tests.faults.test_deadly import finished
from tests.faults.test_loss import executions, start
from tests.stack import until

SLOT = 5.0  # seconds that each of the backlog takes
LIMIT = 10  # runs of a creator at once


@pytest.mark.long
async def test_one_video_beside_a_backlog_of_5000(kafka: str, database_url: str, tmp_path: Path):
    await one_beside_many(kafka, database_url, tmp_path, 5_000)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_one_video_beside_a_backlog_of_100_000(kafka: str, database_url: str, tmp_path: Path):
    await one_beside_many(kafka, database_url, tmp_path, 100_000)


async def one_beside_many(bootstrap: str, database: str, folder: Path, backlog: int) -> None:
    done = folder / "done"
    done.touch()
    Topics(Cluster(bootstrap)).create(TOPICS.values())
    partition = await produce(bootstrap, "hog", [f"hog{n}-{SLOT * 1000:.0f}" for n in range(backlog)])
    worker, seconds = await started(bootstrap, database, done, f"of a backlog of {backlog}")
    try:
        assert seconds < 15 + SLOT
        beside = await neighbour(bootstrap, partition)
        began = time.monotonic()
        assert await produce(bootstrap, beside, ["first-1"]) == partition
        await until("the one beside it", lambda: asyncio.to_thread(finished, done, ["first-1"]))
        waited, memory = time.monotonic() - began, psutil.Process(worker.pid).memory_info().rss >> 20
        print(f"{backlog} waiting: the one beside them took {waited:.1f} s; the worker has {memory} MB")
        worker.kill()
        worker.wait()
        worker, again = await started(bootstrap, database, done, "after a restart")
        print(f"first new event {again:.1f} s after a restart")
        assert waited < SLOT + backlog / 10_000  # to read past what lies before it on the log takes its time
        assert memory < 600
        assert again < 15 + 2 * SLOT + backlog / 10_000
    finally:
        worker.kill()
        worker.wait()


async def started(bootstrap: str, database: str, done: Path, what: str) -> tuple[subprocess.Popen[bytes], float]:
    """A worker, and the seconds to the end of the first event that it took."""
    before, began = len(executions(done)), time.monotonic()
    worker = start(bootstrap, database, done, LIMIT)

    async def more() -> bool:
        return len(await asyncio.to_thread(executions, done)) > before

    await until(f"the first event {what}", more, 120)
    return worker, time.monotonic() - began


async def neighbour(bootstrap: str, partition: int) -> str:
    """A creator whose requests go to the same partition, found by asking the partitioner."""
    for n in range(500):
        if await produce(bootstrap, f"beside-{n}", [f"try{n}-1"]) == partition:
            return f"beside-{n}"
    raise AssertionError("no creator of 500 shares the partition")


async def produce(bootstrap: str, creator: str, videos: list[str]) -> int:
    """Puts requests on the log; gives their partition."""
    outbox = Outbox(Cluster(bootstrap))
    sent = []
    for video in videos:
        event = TranscribeRequested(video_id=video, creator_id=creator, storage_path="nowhere")
        sent.append(outbox.send(event.name, event.key().encode(), encode(event), []))
    stored = await asyncio.gather(*sent)
    await outbox.close()
    return stored[0].place.partition
