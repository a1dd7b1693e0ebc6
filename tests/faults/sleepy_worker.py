"""A worker of one function that does nothing but wait, for the loss experiment: run it, kill it, run it again.

Usage: python -m tests.faults.sleepy_worker BOOTSTRAP DATABASE_URL DONE_FILE [RUNS OF A CREATOR AT ONCE]
Each video's id says how long it takes, in milliseconds, after its last dash; one whose id begins with `die` kills the
process instead, and one whose id begins with `hang` holds up its event loop.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from schemas.transcription import TranscribeRequested, TranscriptionStarted
from streams.faust_worker import WorkerSettings
from streams.kafka import Cluster
from streams.postgres import connect
from streams.retry import Retry
from streams.stage import Step, function
from streams.worker import Staff, Worker


class Notebook:
    """Where it writes what it has done."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")

    async def wait(self, video_id: str) -> None:
        if video_id.startswith("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if video_id.startswith("hang"):
            time.sleep(3600)  # noqa: ASYNC251  # that is the fault
        await asyncio.sleep(int(video_id.rsplit("-", 1)[1]) / 1000)
        self._file.write(f"{video_id}\n")
        self._file.flush()


@function("sleepy", retry=Retry(attempts=3), limit=100)
async def sleepy(
    request: TranscribeRequested, step: Step, *, notebook: Notebook
) -> AsyncIterator[TranscriptionStarted]:
    yield TranscriptionStarted(video_id=request.video_id, creator_id=request.creator_id, attempt=step.attempt)
    await step("wait", notebook.wait, request.video_id)


async def main(bootstrap: str, database: str, done: str, limit: str = "100") -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pool = await connect(database)
    worker = Worker(
        [Staff(replace(sleepy, limit=int(limit)), {"notebook": Notebook(Path(done))}, "")],
        cluster=Cluster(bootstrap),
        pool=pool,
        consumers=WorkerSettings(bootstrap=bootstrap, security={}, session_timeout=6.0, heartbeat=1.0, drain=10.0),
        lease=5.0,
    )
    await worker.run(stop, ready=lambda: print("ready", flush=True))
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
