"""A log as a long-lived system has it: facts of many videos, written by a generator that speaks for the functions."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from schemas.avro import data_schema
from schemas.embedding import (
    Chunk,
    ChunksEmbedded,
    EmbeddingsCompleted,
    EmbeddingStarted,
    TranscriptChunked,
    Vector,
)
from schemas.event import Event
from schemas.running import UsageRecorded
from schemas.spaces import SpaceActivated, SpaceRegistered
from schemas.transcription import (
    AudioExtracted,
    SegmentTranscribed,
    Span,
    TranscribeRequested,
    Transcript,
    TranscriptionCompleted,
    TranscriptionStarted,
    TranscriptSegment,
)
from streams.codec import SOURCE, Codec
from streams.envelope import Envelope
from streams.identity import emitted_run, event_id, spend_id
from streams.kafka import Cluster, Outbox

MODEL, WIDE = "bench", 1_536
CREATORS, SEGMENTS, CHUNKS = 200, 5, 4
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = [f"word{n}" for n in range(2_000)]
RUN = "019b76da-a800-7000-8000-000000000000"


class History:
    """Twenty facts a video: 5 segments, 4 chunks of 60 words, a vector for each, 7 entries of usage. The first `also`
    videos have vectors of 1,536 dimensions in a second space too."""

    def __init__(self, dimensions: int, also: int = 0) -> None:
        self._dice, self._dimensions, self._also = random.Random(1), dimensions, also
        self.space, self.second = f"{MODEL}/{dimensions}", f"{MODEL}/{WIDE}"

    def spaces(self) -> list[Event]:
        sizes = [self._dimensions, *([WIDE] if self._also else [])]
        why = {"by": "bench", "why": "bench"}
        registered = [SpaceRegistered(**why, space=f"{MODEL}/{n}", model=MODEL, dimensions=n) for n in sizes]
        return [*registered, SpaceActivated(**why, space=self.space)]

    def video(self, n: int) -> Iterator[tuple[Event, str]]:
        """Its facts with the id of each, in the order in which they are said."""
        me = {"video_id": f"video-{n}", "creator_id": f"creator-{n % CREATORS}"}
        spoken = [self._text(50) for _ in range(SEGMENTS)]
        digest = f"{n:064x}"
        yield self._said(TranscriptionStarted(**me, attempt=1), n)
        spans = [Span(index=i, start=40.0 * i, end=40.0 * (i + 1)) for i in range(SEGMENTS)]
        yield self._said(
            AudioExtracted(**me, bytes=10_000_000, sha256=digest, duration_seconds=200.0, codec="aac", segments=spans),
            n,
        )
        for span, text in zip(spans, spoken, strict=True):
            heard = SegmentTranscribed(
                **me, index=span.index, start_seconds=span.start, end_seconds=span.end,
                paid_key=f"speech-{n}-{span.index}", result=f'{{"text": "{text}"}}', cost_micro_usd=4_000,
            )  # fmt: skip
            yield self._said(heard, n)
            yield self._used(me, "transcribe-video", "audioSeconds", f"{n}-{span.index}")
        passages = [TranscriptSegment(start=s.start, end=s.end, text=t) for s, t in zip(spans, spoken, strict=True)]
        whole = Transcript(
            text=" ".join(spoken), language="en", duration_seconds=200.0, model="bench", segments=passages
        )  # fmt: skip
        completed = self._said(TranscriptionCompleted(**me, audio_sha256=digest, transcript=whole), n)
        yield completed
        of = {**me, "chunk_set_id": f"set-{n}"}
        yield self._said(EmbeddingStarted(**me, attempt=1, transcript_id=completed[1]), n)
        chunks = [
            Chunk(index=i, text=self._text(60), start_seconds=50.0 * i, end_seconds=50.0 * (i + 1), words=60, tokens=80)
            for i in range(CHUNKS)
        ]
        spaces = {self.space: self._dimensions} | ({self.second: WIDE} if n < self._also else {})
        yield self._said(
            TranscriptChunked(**of, transcript_id=completed[1], chunker="bench", spaces=[*spaces], chunks=chunks), n
        )
        for space, dimensions in spaces.items():
            vectors = [
                Vector(
                    index=i,
                    paid_key=f"vector-{space}-{n}-{i}",
                    values=self.vector(dimensions),
                    tokens=80,
                    cost_micro_usd=2,
                )
                for i in range(CHUNKS)
            ]
            yield self._said(ChunksEmbedded(**of, space=space, batch=0, batches=1, vectors=vectors), n)
        yield self._used(me, "generate-embeddings", "inputTokens", f"{n}-e")
        for left, space in enumerate(spaces):
            yield self._said(EmbeddingsCompleted(**of, space=space, chunks=CHUNKS, left=len(spaces) - 1 - left), n)

    def _said(self, event: Event, n: int) -> tuple[Event, str]:
        return event, event_id(f"request-{n}", "bench", "1", event.name, event.part())

    def _used(self, me: dict[str, str], function: str, usage: str, token: str) -> tuple[Event, str]:
        used = UsageRecorded(
            **me, function=function, usage=usage, quantity=40.0, model="bench", cost_micro_usd=4_000, memoized=False,
            keys=[token], token=token,
        )  # type: ignore[arg-type]  # fmt: skip
        return used, spend_id(token)

    def _text(self, count: int) -> str:
        return " ".join(self._dice.choices(WORDS, k=count))

    def vector(self, dimensions: int) -> bytes:
        near = self._dice.random()
        values = [near + self._dice.random() for _ in range(16)] * (dimensions // 16)
        return struct.pack(f"<{dimensions}f", *values)


async def write(cluster: Cluster, history: History, videos: int) -> int:
    """Puts the log of so many videos where it belongs; gives how many records that are."""
    outbox, written = Outbox(cluster), 0
    for event in history.spaces():
        await outbox.send(*_record(event, event_id(event.subject(), "bench", "1", event.name), RUN, 0))
    for n in range(videos):
        run = emitted_run(RUN, f"request-{n}", f"creator-{n % CREATORS}", f"video-{n}")
        asked = TranscribeRequested(
            video_id=f"video-{n}", creator_id=f"creator-{n % CREATORS}", storage_path=f"{n}.mp4", title=f"Video {n}"
        )
        sent = [outbox.send(*_record(asked, event_id(f"request-{n}", "bench", "1", asked.name), run, n))]
        sent += [outbox.send(*_record(event, id, run, n)) for event, id in history.video(n)]
        written += len(sent)
        if n % 50 == 0:
            await asyncio.gather(*sent)
    await outbox.close(120.0)
    return written + len(history.spaces())


def _record(event: Event, id: str, run: str, n: int) -> tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]:
    envelope = Envelope(
        id=id, type=event.name, source=SOURCE, time=BEGAN + timedelta(seconds=n), subject=event.subject(), run_id=run,
        cause_id="", sequence=1, function="bench 1", schema=data_schema(type(event)),
    )  # fmt: skip
    record = Codec.write(event, envelope)
    return record.topic, record.key, record.value, list(record.headers)  # type: ignore[arg-type]
