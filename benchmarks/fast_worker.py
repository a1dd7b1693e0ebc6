"""A process of the engine alone: the real functions on adapters that take no time.

Usage: python -m benchmarks.fast_worker worker|projection  (the stack comes from the environment)
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from agents.chunker import Chunking
from agents.ports import Audio, Fetched, Segment
from benchmarks import profiled
from chronos import app
from chronos.config import Settings
from chronos.folding import run_projection
from chronos.pipeline import FUNCTIONS
from schemas.transcription import TranscriptSegment
from streams import postgres
from streams.faust_worker import WorkerSettings
from streams.stage import Answer
from streams.worker import Staff, Worker

TEXT = " ".join(["words of a lecture that says nothing but has the length of one."] * 100)  # 6.5 KB, 1,300 words
CHUNKING = Chunking(shortest=200, aim=300, longest=400, overlap=50)  # 5 chunks
DIMENSIONS = 1536


class FastScratch:
    @asynccontextmanager
    async def room(self) -> AsyncIterator[Path]:
        yield Path("/nowhere")


class FastStorage:
    async def fetch(self, path: str, room: Path) -> Fetched:
        return Fetched(room / path, 1, (path.encode().hex() * 64)[:64])


class FastMedia:
    async def extract_audio(self, source: Fetched, room: Path) -> Audio:
        return Audio(source, source.file, "aac", 45.0, ((0.0, 45.0),), (), "none")


class FastSpeech:
    provider, model, usage = "nowhere", "fast", "audioSeconds"

    def quote(self, arguments: Sequence[Segment]) -> tuple[float, int]:
        return 0.0, 0

    def key(self, segment: Segment) -> str:
        return f"speech/{segment.source_sha256}/{segment.start}"

    async def __call__(self, arguments: Sequence[Segment]) -> list[Answer]:
        if os.environ.get("HOLD"):
            await asyncio.Event().wait()  # for ever: what comes now waits
        return [Answer(json.dumps({"text": TEXT}).encode(), 45.0, 4500)]

    def hear(self, segment: Segment, result: bytes) -> tuple[list[TranscriptSegment], str | None]:
        text = json.loads(result)["text"]
        return [TranscriptSegment(start=segment.start, end=segment.end, text=text)], "en"


class FastHearing:
    def of(self, creator_id: str) -> FastSpeech:
        return FastSpeech()


class FastEmbedder:
    provider, model, usage, space = "nowhere", "fast", "inputTokens", f"fast/{DIMENSIONS}"

    def __init__(self) -> None:
        self._chance, self._calls = np.random.default_rng(7), 0

    def quote(self, arguments: Sequence[str]) -> tuple[float, int]:
        return 0.0, 0

    def key(self, text: str) -> str:
        self._calls += 1
        return f"vector/{os.getpid()}/{self._calls}"  # nothing is remembered: each vector is bought

    async def __call__(self, arguments: Sequence[str]) -> list[Answer]:
        vectors = self._chance.standard_normal((len(arguments), DIMENSIONS), dtype=np.float32)
        return [Answer(vector.tobytes(), 300, 6) for vector in vectors]


async def work(settings: Settings, stop: asyncio.Event) -> None:
    adapters: dict[str, object] = {
        "scratch": FastScratch(),
        "storage": FastStorage(),
        "media": FastMedia(),
        "hearing": FastHearing(),
        "embedder": FastEmbedder(),
        "chunking": CHUNKING,
        "transcripts": None,
        "catalogue": None,
        "notifier": None,
    }
    pool = await postgres.connect(settings.database(), most=8)
    worker = Worker(
        [Staff(f, {port: adapters[port] for port in f.ports}, "") for f in FUNCTIONS],
        cluster=app.cluster(settings),
        pool=pool,
        consumers=WorkerSettings(bootstrap=settings.kafka(), security={}),
        parallel_calls=64,
    )
    await worker.run(stop, _ready)
    await pool.close()


def _ready() -> None:
    Path(os.environ["READY_FILE"]).touch()


async def main(what: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings.load()
    if what == "worker":
        await work(settings, stop)
    else:
        await run_projection(settings, stop, _ready)


if __name__ == "__main__":
    profiled.run(main(sys.argv[1]), sys.argv[1])
