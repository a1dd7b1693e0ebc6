"""A message that kills its worker, or hangs it, ends as failed; those beside it lose nothing, and all goes on."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from schemas.avro import encode
from schemas.running import FunctionFailed
from schemas.topics import TOPICS
from schemas.transcription import TranscribeRequested
from streams.codec import Codec
from streams.kafka import Cluster, Outbox, Topics
from streams.postgres import connect
from streams.reading import LogScan
from tests.faults.test_loss import start
from tests.stack import until

CRASHES = "SELECT video_id, attempts, crashes, crashes_alone FROM journal.runs"
INNOCENT = [f"v{n}-700" for n in range(16)]  # long enough to be beside a killer when it kills
KILLERS = ["die-1", "hang-1"]


@pytest.mark.long
async def test_what_kills_or_hangs_its_worker_fails_and_the_innocent_lose_no_attempt(
    kafka: str, database_url: str, tmp_path: Path
):
    done = tmp_path / "done"
    done.touch()
    Topics(Cluster(kafka)).create(TOPICS.values())
    await produce(kafka, [*INNOCENT[:8], *KILLERS, *INNOCENT[8:]])
    supervising = asyncio.create_task(supervise(kafka, database_url, done))
    pool = await connect(database_url)
    try:
        failed = await until("both failures", lambda: asyncio.to_thread(failures, kafka, 2), 200)
        assert {(one.video_id, one.error.type) for one in failed} == {(video, "WorkerDied") for video in KILLERS}
        await produce(kafka, ["next-1"])
        await until("the innocent, and the next", lambda: asyncio.to_thread(finished, done, [*INNOCENT, "next-1"]))
        crashes = {row["video_id"]: tuple(row)[1:] for row in await pool.fetch(CRASHES)}
        assert {crashes[video] for video in KILLERS} == {(1, 3, 2)}
        assert {crashes[video][0] for video in INNOCENT} == {1}
        assert {crashes[video][2] for video in INNOCENT} == {0}
    finally:
        supervising.cancel()
        await asyncio.gather(supervising, return_exceptions=True)
        await pool.close()


async def supervise(bootstrap: str, database: str, done: Path) -> None:
    """Starts the worker again whenever it dies, as an init system does."""
    worker: subprocess.Popen[bytes] | None = None
    try:
        while True:
            worker = start(bootstrap, database, done)
            while worker.poll() is None:  # noqa: ASYNC110  # a process has no event
                await asyncio.sleep(0.1)
    finally:
        if worker:
            worker.kill()
            worker.wait()


async def produce(bootstrap: str, videos: list[str]) -> None:
    outbox = Outbox(Cluster(bootstrap))
    events = [TranscribeRequested(video_id=video, creator_id="ada", storage_path="nowhere") for video in videos]
    await asyncio.gather(*(outbox.send(event.name, event.key().encode(), encode(event), []) for event in events))
    await outbox.close()


def finished(done: Path, videos: list[str]) -> bool:
    return set(videos) <= set(done.read_text().split())


def failures(bootstrap: str, count: int) -> list[FunctionFailed] | None:
    """What has failed, once there is so much of it."""
    scan, codec = LogScan(Cluster(bootstrap)), Codec({})
    ends = scan.ends({FunctionFailed.name: TOPICS[FunctionFailed.name].partitions})
    until_, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    events = [codec.read(record).event for batch in scan.read(until_, begins) for record in batch]
    found = [event for event in events if isinstance(event, FunctionFailed)]
    return found if len(found) >= count else None
