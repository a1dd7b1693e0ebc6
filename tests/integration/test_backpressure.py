"""Backpressure: a backlog does not fill the memory, and goes on when there is room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from schemas.avro import encode
from schemas.topics import TOPICS
from schemas.transcription import TranscribeRequested, TranscriptionStarted
from streams import runner
from streams.faust_worker import WorkerSettings
from streams.kafka import Cluster, Outbox, Topics
from streams.postgres import connect
from streams.retry import Retry
from streams.stage import Step, function
from streams.worker import Staff, Worker
from tests.stack import until

seen: list[str] = []
gate = asyncio.Event()


@function("held-up", retry=Retry(attempts=1), limit=100)
async def held_up(request: TranscribeRequested, step: Step) -> AsyncIterator[TranscriptionStarted]:
    await gate.wait()
    seen.append(request.video_id)
    yield TranscriptionStarted(video_id=request.video_id, creator_id=request.creator_id, attempt=step.attempt)


async def test_a_full_worker_fetches_no_more_and_takes_all_in_the_end(
    kafka: str, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runner, "MOST_WAITING", 50)
    Topics(Cluster(kafka)).create(TOPICS.values())
    outbox, most = Outbox(Cluster(kafka)), 0
    events = [TranscribeRequested(video_id=f"held-{n}", creator_id="held", storage_path="p") for n in range(6000)]
    await asyncio.gather(*(outbox.send(e.name, e.key().encode(), encode(e), []) for e in events))
    await outbox.close()
    pool, stop = await connect(database_url), asyncio.Event()
    consumers = WorkerSettings(bootstrap=kafka, security={}, session_timeout=6.0, heartbeat=1.0, drain=2.0)
    worker = Worker([Staff(held_up, {}, "")], cluster=Cluster(kafka), pool=pool, consumers=consumers)
    running = asyncio.create_task(worker.run(stop))
    try:
        await until("the worker is full", lambda: is_full(worker))
        most = worker.waiting()
        gate.set()
        await until("all of them", lambda: counted(len(events)), 90)
    finally:
        stop.set()
        await running
        await pool.close()
    assert most < 6000  # the batch in hand was taken; the rest stayed on the log
    assert len([video for video in seen if video.startswith("held-")]) == len(events)


async def is_full(worker: Worker) -> bool:
    return worker.waiting() > 50


async def counted(count: int) -> bool:
    return len([video for video in seen if video.startswith("held-")]) >= count
