"""A process that consumes and does nothing with it: a function of the engine, or plain aiokafka on the same topic.

Usage: python -m benchmarks.idle_worker engine|plain|careful|echo  (the stack comes from the environment)
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from benchmarks import profiled
from schemas.transcription import TranscribeRequested, TranscriptionStarted
from streams import postgres
from streams.faust_worker import WorkerSettings
from streams.kafka import Cluster
from streams.retry import Retry
from streams.stage import Function, Step, function
from streams.worker import Staff, Worker

TOPIC = TranscribeRequested.name
WORK = 0.1  # seconds that an echo takes, so that something is in hand at any moment


FETCH = 500  # records at once, as most clients have it


class Clock:
    """Tells who started this process when its first record came, and what CPU time it had used by then."""

    def __init__(self) -> None:
        self._told = False

    def first(self) -> None:
        if not self._told:
            self._told = True
            Path(os.environ["FIRST_FILE"]).write_text(f"{time.monotonic()} {time.process_time()}")


@function("do-nothing", retry=Retry(attempts=1))
async def do_nothing(request: TranscribeRequested, step: Step, *, clock: Clock) -> AsyncIterator[TranscriptionStarted]:
    """Neither a step nor a fact: what is left is the engine's own cost."""
    clock.first()
    return
    yield


@function("echo", retry=Retry(attempts=1))
async def echo(request: TranscribeRequested, step: Step, *, who: str) -> AsyncIterator[TranscriptionStarted]:
    """Says which worker had the request, in the creator's place."""
    await step("wait", asyncio.sleep, WORK)
    yield TranscriptionStarted(video_id=request.video_id, creator_id=who, attempt=step.attempt)


async def engine(does: Function, port: object, stop: asyncio.Event) -> None:
    """The function with ledger, lanes and journal, at the default settings."""
    bootstrap = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    pool = await postgres.connect(os.environ["DATABASE_URL"], most=8)
    worker = Worker(
        [Staff(does, dict.fromkeys(does.ports, port), "")],
        cluster=Cluster(bootstrap),
        pool=pool,
        consumers=WorkerSettings(bootstrap=bootstrap, security={}),
    )
    await worker.run(stop, _ready)
    await pool.close()


async def plain(stop: asyncio.Event, *, each: bool) -> None:
    """Reads and commits: after every record, or after every 500."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=f"plain-{each}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    clock = Clock()
    async with consumer:
        _ready()
        while not stop.is_set():
            if await consumer.getmany(timeout_ms=200, max_records=1 if each else FETCH):
                clock.first()
                await consumer.commit()


def _ready() -> None:
    Path(os.environ["READY_FILE"]).touch()


async def main(what: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    match what:
        case "engine":
            await engine(do_nothing, Clock(), stop)
        case "echo":
            await engine(echo, os.environ["WHO"], stop)
        case _:
            await plain(stop, each=what == "careful")


if __name__ == "__main__":
    profiled.run(main(sys.argv[1]), sys.argv[1])
