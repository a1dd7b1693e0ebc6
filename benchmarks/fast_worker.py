"""A process of the engine alone: the real functions on adapters that take no time.

Usage: python -m benchmarks.fast_worker worker|projection  (the stack comes from the environment)
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from agents.chunker import Chunking
from agents.ports import Audio, Fetched, Hearing, Media, Segment, Spaces
from benchmarks import profiled
from chronos import app
from chronos.config import Settings
from chronos.folding import run_projection
from chronos.pipeline import FUNCTIONS
from chronos.working import fitted
from schemas.transcription import TranscriptSegment
from streams import postgres
from streams.faust_worker import WorkerSettings
from streams.garbage import keep_what_is_here
from streams.stage import Answer
from streams.worker import Staff, Worker

TEXT = " ".join(["words of a lecture that says nothing but has the length of one."] * 100)  # 6.5 KB, 1,300 words
CHUNKING = Chunking(shortest=200, aim=300, longest=400, overlap=50)  # 5 chunks
DIMENSIONS = 1536
SPACE = f"fast/{DIMENSIONS}"


class FastScratch:
    @asynccontextmanager
    async def room(self) -> AsyncIterator[Path]:
        yield Path("/nowhere")


class FastStorage:
    async def fetch(self, path: str, room: Path) -> Fetched:
        return Fetched(room / path, 1, (path.encode().hex() * 64)[:64])


class FastMedia:
    async def extract_audio(self, source: Fetched, room: Path, language: str | None = None) -> Audio:
        return Audio(source, source.file, "aac", 45.0, ((0.0, 45.0),), (), "none")


class FastSpeech:
    provider, model, context = "nowhere", "fast", 0
    usage: Literal["audioSeconds"] = "audioSeconds"

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
    provider, model, space = "nowhere", "fast", SPACE
    usage: Literal["inputTokens"] = "inputTokens"

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

    def surplus(self, text: str) -> int:
        return 0


class FastSpaces:
    def __init__(self) -> None:
        self._embedder = FastEmbedder()

    async def in_use(self, wanted: str | None) -> list[str]:
        return [SPACE]

    def counter(self, space: str) -> Callable[[str], int] | None:
        return None

    async def embedder(self, space: str) -> FastEmbedder:
        return self._embedder


async def work(settings: Settings, stop: asyncio.Event) -> None:
    media: Media = FastMedia()  # named with their ports' types: what a port gains is missed here before it runs
    hearing: Hearing = FastHearing()
    spaces: Spaces = FastSpaces()
    adapters: dict[str, object] = {
        "scratch": FastScratch(),
        "storage": FastStorage(),
        "media": media,
        "hearing": hearing,
        "spaces": spaces,
        "chunking": CHUNKING,
        "transcripts": None,
        "catalogue": None,
        "notifier": None,
        "erasure": None,
        "webhooks": None,
    }
    pool = await postgres.connect(settings.database(), most=8)
    worker = Worker(
        [Staff(fitted(settings, f), {port: adapters[port] for port in f.ports}, "") for f in FUNCTIONS],
        cluster=app.cluster(settings),
        pool=pool,
        consumers=WorkerSettings(bootstrap=settings.kafka(), security={}),
        parallel_calls=64,
    )
    await worker.run(stop, _ready)
    await pool.close()


def _ready() -> None:
    keep_what_is_here()
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
