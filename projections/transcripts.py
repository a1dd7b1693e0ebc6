"""transcripts: every transcript of a video, each under its event id; the newest is the one that counts."""

from __future__ import annotations

import json
from collections.abc import Iterator

from schemas.transcription import TranscriptionCompleted
from streams.codec import Received
from streams.projection import Projection, Put, Table, Version

TRANSCRIPTS = Table(
    "transcripts",
    key={"creator_id": "text", "video_id": "text", "transcript_id": "uuid"},
    registers={
        "made": {
            "run_id": "uuid",
            "body": "text",
            "language": "text",
            "model": "text",
            "duration_seconds": "float8",
            "segments": "jsonb",
            "audio_sha256": "text",
            "topic": "text",
            "partition": "int4",
            "offset": "int8",
            "completed_at": "timestamptz",
        }
    },
)


def evolve(received: Received, version: Version) -> Iterator[Put]:
    fact, record = received.event, received.record
    assert isinstance(fact, TranscriptionCompleted)
    spoken = fact.transcript
    segments = [segment.model_dump(exclude_none=True) for segment in spoken.segments]
    yield Put(
        TRANSCRIPTS,
        (fact.creator_id, fact.video_id, received.id),
        "made",
        (
            received.run_id,
            spoken.text,
            spoken.language,
            spoken.model,
            spoken.duration_seconds,
            json.dumps(segments, ensure_ascii=False),
            fact.audio_sha256,
            record.topic,
            record.partition,
            record.offset,
            received.at,
        ),
        version.at(),
    )


PROJECTION = Projection("transcripts", (TRANSCRIPTS,), (TranscriptionCompleted,), evolve)
