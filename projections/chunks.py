"""chunk_sets, chunks: how transcripts were cut. A set's place among others of its video never moves."""

from __future__ import annotations

import json
from collections.abc import Iterator

from schemas.embedding import TranscriptChunked
from streams.codec import Received
from streams.projection import Projection, Put, Table, Version

SET = {"creator_id": "text", "video_id": "text", "chunk_set_id": "text"}

CHUNK_SETS = Table(
    "chunk_sets",
    key=SET,
    registers={
        "cut": {
            "transcript_id": "uuid",
            "chunker": "text",
            "spaces": "jsonb",
            "chunk_count": "int4",
            "made_at": "timestamptz",
        }
    },
)

CHUNKS = Table(
    "chunks",
    key={**SET, "index": "int4"},
    registers={
        "text": {
            "body": "text",
            "start_seconds": "float8",
            "end_seconds": "float8",
            "words": "int4",
            "tokens": "int4",
        }
    },
)


def evolve(received: Received, version: Version) -> Iterator[Put]:
    fact = received.event
    assert isinstance(fact, TranscriptChunked)
    key, at = (fact.creator_id, fact.video_id, fact.chunk_set_id), version.at()
    spaces = json.dumps(fact.spaces, ensure_ascii=False)
    yield Put(CHUNK_SETS, key, "cut", (fact.transcript_id, fact.chunker, spaces, len(fact.chunks), received.at), at)
    for chunk in fact.chunks:
        text = (chunk.text, chunk.start_seconds, chunk.end_seconds, chunk.words, chunk.tokens)
        yield Put(CHUNKS, (*key, chunk.index), "text", text, at)


PROJECTION = Projection("chunks", (CHUNK_SETS, CHUNKS), (TranscriptChunked,), evolve)
