"""generate-embeddings: from a transcript on the log to chunks and their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from agents.chunker import Chunking, chunk, chunker
from agents.ports import Embedder, EmbeddingRefused, Transcripts
from schemas.embedding import (
    ChunkRequested,
    ChunksEmbedded,
    EmbeddingsCompleted,
    EmbeddingStarted,
    TranscriptChunked,
    Vector,
)
from schemas.transcription import TranscriptionCompleted
from streams.retry import Retry
from streams.stage import Kept, Step, function

BATCH = 20  # texts a call: a crash between answer and insert pays for one batch again at most

Wanted = TranscriptionCompleted | ChunkRequested


@function(
    "generate-embeddings", version=1, retry=Retry(attempts=2, first=5.0, cap=300.0), behind=(ChunkRequested,)
)  # fmt: skip
async def generate_embeddings(
    wanted: TranscriptionCompleted | ChunkRequested,
    step: Step,
    *,
    transcripts: Transcripts,
    embedder: Embedder,
    chunking: Chunking,
) -> AsyncIterator[EmbeddingStarted | TranscriptChunked | ChunksEmbedded | EmbeddingsCompleted]:
    """Chunks and vectors of one transcript. The set is complete when its last vector is on the log."""
    check_model(wanted, embedder)
    transcript_id, spoken = await step("read-transcript", find, wanted, step.input_id, transcripts)
    me = {"video_id": wanted.video_id, "creator_id": wanted.creator_id}
    yield EmbeddingStarted(**me, attempt=step.attempt, transcript_id=transcript_id)
    chunks = chunk(spoken.transcript, chunking)
    of = {**me, "chunk_set_id": chunk_set_id(step.input_id, transcript_id, chunker(chunking))}
    yield TranscriptChunked(
        **of, transcript_id=transcript_id, chunker=chunker(chunking), spaces=[embedder.space], chunks=chunks
    )  # fmt: skip
    batches, number = -(-len(chunks) // BATCH), 0
    async for answers in step.batches("embed", embedder, [c.text for c in chunks], size=BATCH):
        vectors = [vector(number * BATCH + i, kept) for i, (_, kept) in enumerate(answers)]
        yield ChunksEmbedded(**of, space=embedder.space, batch=number, batches=batches, vectors=vectors)
        number += 1
    yield EmbeddingsCompleted(**of, space=embedder.space, chunks=len(chunks))


def vector(index: int, kept: Kept) -> Vector:
    return Vector(
        index=index,
        paid_key=kept.key,
        values=kept.result,
        tokens=round(kept.quantity),
        cost_micro_usd=kept.cost_micro_usd,
    )


async def find(wanted: Wanted, input_id: str, transcripts: Transcripts) -> tuple[str, TranscriptionCompleted]:
    """The transcript to embed, with its event id: the input itself, or what it points to."""
    if isinstance(wanted, TranscriptionCompleted):
        return input_id, wanted
    transcript_id, spoken = await transcripts.read(wanted.transcript)
    if (spoken.creator_id, spoken.video_id) != (wanted.creator_id, wanted.video_id):
        raise EmbeddingRefused(
            f"the transcript at {wanted.transcript.topic}/{wanted.transcript.partition}@{wanted.transcript.offset} "
            f"is not of video {wanted.video_id!r} of creator {wanted.creator_id!r}"
        )
    return transcript_id, spoken


def check_model(wanted: Wanted, embedder: Embedder) -> None:
    """Only models that an operator has allowed are paid for."""
    if isinstance(wanted, ChunkRequested) and wanted.embedding_model not in (None, embedder.model):
        raise EmbeddingRefused(
            f"embedding model {wanted.embedding_model!r} is not in use here; {embedder.model!r} is: "
            "set CHRONOS_EMBEDDING_MODEL, or leave embeddingModel out"
        )


def chunk_set_id(input_id: str, transcript_id: str, cut_by: str) -> str:
    """One set for each input and way of cutting, so that a set's place among others never moves."""
    return hashlib.sha256("\0".join((input_id, transcript_id, cut_by)).encode()).hexdigest()[:32]
