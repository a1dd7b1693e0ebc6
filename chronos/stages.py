"""How long each stage of some runs took, read from the facts that they left on the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chronos import app
from chronos.config import Settings
from schemas.embedding import EmbeddingsCompleted, EmbeddingStarted
from schemas.event import Event
from schemas.transcription import AudioExtracted, TranscriptionCompleted, TranscriptionStarted
from streams.codec import Undecodable
from streams.reading import LogScan

STAGES: tuple[tuple[str, type[Event], type[Event]], ...] = (
    ("extract", TranscriptionStarted, AudioExtracted),
    ("transcribe", AudioExtracted, TranscriptionCompleted),
    ("embed", EmbeddingStarted, EmbeddingsCompleted),
)


@dataclass(frozen=True)
class Stage:
    """A stage of one run."""

    run_id: str
    name: str
    seconds: float


async def stages(settings: Settings, run_ids: Iterable[str]) -> list[Stage]:
    """The stages of these runs that have both their ends on the log."""
    times = await _times(settings, set(run_ids))
    return [
        Stage(run, name, (times[run, last] - times[run, first]).total_seconds())
        for run in sorted({run for run, _ in times})
        for name, first, last in STAGES
        if (run, first) in times and (run, last) in times
    ]


async def _times(settings: Settings, run_ids: set[str]) -> dict[tuple[str, type[Event]], datetime]:
    ids = await app.topic_ids(settings)
    codec, scan = app.codec(ids), LogScan(app.cluster(settings))
    events = {event for _, first, last in STAGES for event in (first, last)}
    ends = await asyncio.to_thread(scan.ends, {event.name: ids[event.name][1] for event in events})
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    found: dict[tuple[str, type[Event]], datetime] = {}
    batches = scan.read(until, begins)
    while (records := await asyncio.to_thread(next, batches, None)) is not None:
        for record in records:
            try:
                received = codec.read(record)
            except Undecodable:
                continue
            if received.run_id in run_ids:
                found[received.run_id, type(received.event)] = received.at
    return found
