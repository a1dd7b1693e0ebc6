"""Tables as a long-lived system has them: the fold of what is said of many videos, copied in bulk, without its log."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

from benchmarks.history import CREATORS, RUN, History
from chronos import app
from chronos.adapters import serving, vectors
from chronos.config import Settings
from chronos.folding import folding
from chronos.sides import LAYOUT
from schemas.embedding import ChunksEmbedded
from schemas.event import Event
from schemas.running import Error, FailedEvent, FunctionFailed
from schemas.transcription import TranscribeRequested, TranscriptionStarted
from streams.codec import Received
from streams.identity import emitted_run, event_id
from streams.journal import prepare
from streams.postgres import Pool
from streams.projection import Rows, fold, puts_of
from streams.projector import Batch
from streams.record import Record
from streams.writing import copy

DIMENSIONS = 384
EMBEDDED = 10_000  # videos that have vectors: of the others they are left out
BEGAN, BETWEEN = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=5)  # a request each: 100,000 in a year
AT_ONCE = 500  # videos of one transaction
JOURNAL = """
    INSERT INTO journal.runs
        (function, fingerprint, input_id, run_id, creator_id, video_id, first_started_at, attempts, ending, told)
    SELECT f.name, 'bench', gen_random_uuid(), run_id, creator_id, video_id, 1, 1, status, true
    FROM runs, unnest('{transcribe-video,generate-embeddings}'::text[]) AS f (name)
"""


def state_of(n: int) -> str:
    """Of a hundred of a creator five have failed, one is waiting, and ten failed once and were tried again."""
    return {0: "waiting", **dict.fromkeys(range(1, 6), "failed"), **dict.fromkeys(range(6, 16), "again")}.get(
        n // CREATORS % 100, "completed"
    )


def name_of(n: int) -> tuple[str, str]:
    """Creator and video."""
    return f"creator-{n % CREATORS}", f"video-{n}"


def run_of(n: int) -> str:
    return emitted_run(RUN, f"request-{n}", *name_of(n))


def asked_at(n: int) -> datetime:
    return BEGAN + n * BETWEEN


async def fill(settings: Settings, videos: int) -> float:
    """Fills the tables, one process a core; gives the seconds."""
    began = time.monotonic()
    processes = os.cpu_count() or 1
    async with app.projection_pool(settings) as pool:
        await prepare(pool)
        await _keep(settings, pool, [_received(event, 0) for event in History(DIMENSIONS).spaces()])
        with ProcessPoolExecutor(processes, get_context("spawn")) as workers:
            loop = asyncio.get_running_loop()
            shares = [range(k, videos, processes) for k in range(processes)]
            await asyncio.gather(*(loop.run_in_executor(workers, _fill_share, settings, share) for share in shares))
        await pool.execute(JOURNAL)
        await vectors.Partitions(settings.vector_index).index_where_it_pays(pool)
        await pool.execute("VACUUM ANALYZE", timeout=None)  # what autovacuum has done of tables that grew in a year
    return time.monotonic() - began


def _fill_share(settings: Settings, numbers: range) -> None:
    asyncio.run(_fill_all(settings, numbers))


async def _fill_all(settings: Settings, numbers: range) -> None:
    history = History(DIMENSIONS)
    async with app.projection_pool(settings, most=1, schema=LAYOUT) as pool:
        for at in range(0, len(numbers), AT_ONCE):
            said = (one for n in numbers[at : at + AT_ONCE] for one in _said(history, n))
            await _keep(settings, pool, said)


async def _keep(settings: Settings, pool: Pool, said: Iterable[Received]) -> None:
    """The bulk path of a rebuild, without the records that it reads."""
    folded = replace(await folding(settings, pool, vectors.Partitions("none")), settling=serving.settling_alone())
    rows: dict[str, Rows] = {}
    for received in said:
        fold(puts_of(folded.projections, received), rows)
    await folded.keep(Batch([], rows), {}, {}, writing=copy)


def _said(history: History, n: int) -> Iterator[Received]:
    creator, video = name_of(n)
    me, state = {"video_id": video, "creator_id": creator}, state_of(n)
    yield _received(TranscribeRequested(**me, storage_path=f"{n}.mp4", title=f"Video {n}"), n)
    if state in ("failed", "again"):
        yield _received(TranscriptionStarted(**me, attempt=1), n)
        yield _received(_failure(me, n), n)
    if state in ("completed", "again"):
        for event, id in history.video(n):
            if n < EMBEDDED or not isinstance(event, ChunksEmbedded):
                yield _received(event, n, id)


def _failure(me: dict[str, str], n: int) -> FunctionFailed:
    error = Error(type="SpeechUnavailable", message="the provider answered 500", retryable=True)
    place = FailedEvent(topic="transcribe.requested", partition=n % 12, offset=n)
    return FunctionFailed(**me, function="transcribe-video", attempts=3, error=error, event=place)


def _received(event: Event, n: int, id: str | None = None) -> Received:
    id = id or event_id(f"request-{n}", "bench", "1", event.name, event.subject() + event.part())
    record = Record(event.name, n % 12, n, 0, None, None)
    return Received(event, id, run_of(n), 1, asked_at(n), record, "bench 1", "")
