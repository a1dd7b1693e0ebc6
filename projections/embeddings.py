"""embeddings, embedded_sets, spaces: the vectors of chunk sets by embedding space, and which space search uses."""

from __future__ import annotations

from collections.abc import Iterator

from projections.chunks import SET
from schemas.embedding import ChunksEmbedded, EmbeddingsCompleted
from schemas.spaces import SpaceActivated, SpaceRegistered, SpaceRetired
from streams.codec import Received
from streams.projection import Projection, Put, Table, Version

EMBEDDINGS = Table(
    "embeddings",
    key={"space": "text", **SET, "index": "int4"},
    registers={"vector": {"embedding": "vector"}},
)

EMBEDDED_SETS = Table(
    "embedded_sets",
    key={**SET, "space": "text"},
    registers={"complete": {"chunk_count": "int4", "completed_at": "timestamptz"}},
)

SPACES = Table(
    "spaces",
    key={"space": "text"},
    registers={
        "registered": {"model": "text", "dimensions": "int4"},
        "state": {"state": "text"},
        "activated": {"activated_at": "timestamptz"},
        "retired": {"retired_at": "timestamptz"},
    },
)


def evolve(received: Received, version: Version) -> Iterator[Put]:
    fact, at = received.event, version.at()
    match fact:
        case ChunksEmbedded():
            for vector in fact.vectors:
                key = (fact.space, fact.creator_id, fact.video_id, fact.chunk_set_id, vector.index)
                yield Put(EMBEDDINGS, key, "vector", (vector.values,), at)
        case EmbeddingsCompleted():
            embedded = (fact.creator_id, fact.video_id, fact.chunk_set_id, fact.space)
            yield Put(EMBEDDED_SETS, embedded, "complete", (fact.chunks, received.at), at)
        case SpaceRegistered():
            yield Put(SPACES, (fact.space,), "registered", (fact.model, fact.dimensions), at)
            yield Put(SPACES, (fact.space,), "state", ("registered",), at)
        case SpaceActivated():
            yield Put(SPACES, (fact.space,), "state", ("active",), at)
            yield Put(SPACES, (fact.space,), "activated", (received.at,), at)
        case SpaceRetired():
            yield Put(SPACES, (fact.space,), "state", ("retired",), at)
            yield Put(SPACES, (fact.space,), "retired", (received.at,), at)
        case _:
            raise AssertionError(f"{fact.name} is not of this projection")


FACTS = (ChunksEmbedded, EmbeddingsCompleted, SpaceRegistered, SpaceActivated, SpaceRetired)
PROJECTION = Projection("embeddings", (EMBEDDINGS, EMBEDDED_SETS, SPACES), FACTS, evolve)
