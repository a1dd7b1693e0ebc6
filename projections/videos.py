"""videos and runs: what was asked for, how far it has come, and whether it can be searched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import IntEnum

from schemas.embedding import ChunkRequested, EmbeddingsCompleted, EmbeddingStarted, TranscriptChunked
from schemas.running import Error, FunctionFailed, FunctionRetried, RunCancelled
from schemas.transcription import (
    AudioExtracted,
    SegmentTranscribed,
    TranscribeRequested,
    TranscriptionCompleted,
    TranscriptionStarted,
)
from streams.codec import Received
from streams.identity import to_bytes
from streams.projection import Key, Projection, Put, Table, Version
from streams.redaction import without_forms


class Status(IntEnum):
    """How far a run has come; of what is said of one run, the highest stands."""

    PENDING = 0
    TRANSCRIBING = 1
    PROCESSING = 2
    EMBEDDING = 3
    FAILED = 4
    CANCELLED = 5
    COMPLETED = 6


WORDS = {status: status.name.lower() for status in Status}  # a member's name is looked up slowly
FUNCTIONS = ("transcribe-video", "generate-embeddings")  # whose failure is the video's

VIDEOS = Table(
    "videos",
    key={"creator_id": "text", "video_id": "text"},
    registers={
        "request": {
            "title": "text",
            "original_filename": "text",
            "storage_path": "text",
            "requested_at": "timestamptz",
        },
        "status": {"status": "text", "run_id": "uuid", "error": "jsonb", "changed_at": "timestamptz"},
        "media": {"duration_seconds": "float8", "codec": "text", "source_bytes": "int8", "source_sha256": "text"},
        "searchable": {"searchable": "bool"},
    },
)

RUNS = Table(
    "runs",
    key={"creator_id": "text", "video_id": "text", "run_id": "uuid"},
    registers={
        "asked": {"topic": "text", "partition": "int4", "offset": "int8", "asked_at": "timestamptz"},
        "status": {"status": "text", "error": "jsonb", "changed_at": "timestamptz"},
        "retry": {"function": "text", "attempt": "int4", "retry_at": "timestamptz", "retry_error": "jsonb"},
    },
)

VideoEvent = (
    TranscribeRequested
    | ChunkRequested
    | TranscriptionStarted
    | AudioExtracted
    | SegmentTranscribed
    | TranscriptionCompleted
    | EmbeddingStarted
    | TranscriptChunked
    | EmbeddingsCompleted
    | FunctionFailed
    | RunCancelled
)

REACHES: dict[type, Status] = {
    TranscribeRequested: Status.PENDING,
    ChunkRequested: Status.PENDING,
    TranscriptionStarted: Status.TRANSCRIBING,
    AudioExtracted: Status.TRANSCRIBING,
    SegmentTranscribed: Status.TRANSCRIBING,
    TranscriptionCompleted: Status.PROCESSING,
    EmbeddingStarted: Status.EMBEDDING,
    TranscriptChunked: Status.EMBEDDING,
    FunctionFailed: Status.FAILED,
    RunCancelled: Status.CANCELLED,
    EmbeddingsCompleted: Status.COMPLETED,
}


def evolve(received: Received, version: Version) -> Iterator[Put]:
    event = received.event
    if isinstance(event, FunctionRetried):
        yield from _retried(event, received, version)
    if not isinstance(event, VideoEvent) or event.creator_id is None or event.video_id is None:
        return
    if isinstance(event, FunctionFailed) and event.function not in FUNCTIONS:
        return
    me = (event.creator_id, event.video_id)
    yield from _reached(me, event, received, version)
    match event:
        case TranscribeRequested():
            path = without_forms(event.storage_path)  # a link may be signed, and tables are looked at
            asked = (event.title, event.original_filename, path, received.at)
            yield Put(VIDEOS, me, "request", asked, version.at())
            yield _asked(me, received, version)
        case ChunkRequested():
            yield _asked(me, received, version)
        case AudioExtracted():
            media = (event.duration_seconds, event.codec, event.bytes, event.sha256)
            yield Put(VIDEOS, me, "media", media, version.at())
        case EmbeddingsCompleted():
            yield Put(VIDEOS, me, "searchable", (True,), version.at())
        case _:
            pass


def _reached(me: Key, event: VideoEvent, received: Received, version: Version) -> Iterator[Put]:
    """A video's status is its newest run's; a run's is the highest that was said of it."""
    status = REACHES[type(event)]
    error = error_json(event.error) if isinstance(event, FunctionFailed) else None
    run_id, word = received.run_id, WORDS[status]
    if isinstance(event, RunCancelled):  # a person's fact names its run
        run_id, version = event.run_id, version._replace(run=to_bytes(event.run_id))
    at = version.at(status)
    yield Put(VIDEOS, me, "status", (word, run_id, error, received.at), at)
    yield Put(RUNS, (*me, run_id), "status", (word, error, received.at), at)


def _asked(me: Key, received: Received, version: Version) -> Put:
    record = received.record
    place = (record.topic, record.partition, record.offset, received.at)
    return Put(RUNS, (*me, received.run_id), "asked", place, version.at())


def _retried(event: FunctionRetried, received: Received, version: Version) -> Iterator[Put]:
    if event.creator_id is not None and event.video_id is not None and event.function in FUNCTIONS:
        retry = (event.function, event.attempt, event.retry_at, error_json(event.error))
        key = (event.creator_id, event.video_id, received.run_id)
        yield Put(RUNS, key, "retry", retry, version.at(min(event.attempt, 255)))


def error_json(error: Error) -> str:
    return json.dumps({"type": error.type, "message": error.message, "retryable": error.retryable})


PROJECTION = Projection("videos", (VIDEOS, RUNS), (*REACHES, FunctionRetried), evolve)
