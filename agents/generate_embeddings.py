"""generate-embeddings: from a transcript on the log to chunks and their vectors in every embedding space in use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence

from agents.chunker import Chunking, chunk, chunker
from agents.ports import Embedder, EmbeddingRefused, Spaces, Transcripts
from schemas.embedding import (
    Chunk,
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
    "generate-embeddings", version=3, retry=Retry(attempts=2, first=5.0, cap=300.0), behind=(ChunkRequested,)
)  # fmt: skip
async def generate_embeddings(
    wanted: TranscriptionCompleted | ChunkRequested,
    step: Step,
    *,
    transcripts: Transcripts,
    spaces: Spaces,
    chunking: Chunking,
) -> AsyncIterator[EmbeddingStarted | TranscriptChunked | ChunksEmbedded | EmbeddingsCompleted]:
    """Chunks and vectors of one transcript. Its sets are complete when the last vector of all spaces is on the log."""
    transcript_id, spoken = await step("read-transcript", find, wanted, step.input_id, transcripts)
    names = await choose_spaces(wanted, step, spaces, chunking)
    me = {"video_id": wanted.video_id, "creator_id": wanted.creator_id}
    yield EmbeddingStarted(**me, attempt=step.attempt, transcript_id=transcript_id)
    chunks = chunk(spoken.transcript, chunking, spaces.counter(names[0]))
    of = {**me, "chunk_set_id": chunk_set_id(step.input_id, transcript_id, chunker(chunking))}
    yield TranscriptChunked(
        **of, transcript_id=transcript_id, chunker=chunker(chunking), spaces=names, chunks=chunks
    )  # fmt: skip
    embedders = [embedder for name in names if (embedder := await step("embedder", spaces.embedder, name))]
    for embedder in embedders:
        async for embedded in embed(of, chunks, embedder, step):
            yield embedded
    for left, embedder in zip(reversed(range(len(embedders))), embedders, strict=True):
        yield EmbeddingsCompleted(**of, space=embedder.space, chunks=len(chunks), left=left)


async def choose_spaces(wanted: Wanted, step: Step, spaces: Spaces, chunking: Chunking) -> list[str]:
    """The spaces to embed for, chosen once for each way of cutting: a retry says what was said before, also when a
    space has come or gone since."""

    async def choose() -> bytes:
        return json.dumps(await spaces.in_use(model_of(wanted))).encode()

    found: list[str] = json.loads(await step.once(spaces_choice(chunker(chunking)), choose))
    return found


def model_of(wanted: Wanted) -> str | None:
    return wanted.embedding_model if isinstance(wanted, ChunkRequested) else None


def spaces_choice(cut_by: str) -> str:
    """The name under which the choice of spaces is kept."""
    return f"spaces for {cut_by}"


async def embed(
    of: Mapping[str, str], chunks: Sequence[Chunk], embedder: Embedder, step: Step
) -> AsyncIterator[ChunksEmbedded]:
    """A set's vectors in one space."""
    batches, number = -(-len(chunks) // BATCH), 0
    async for answers in step.batches("embed", embedder, [c.text for c in chunks], size=BATCH):
        vectors = [vector(number * BATCH + i, kept, embedder.surplus(text)) for i, (text, kept) in enumerate(answers)]
        yield ChunksEmbedded(**of, space=embedder.space, batch=number, batches=batches, vectors=vectors)
        number += 1


def vector(index: int, kept: Kept, left_out: int) -> Vector:
    return Vector(
        index=index,
        paid_key=kept.key,
        values=kept.result,
        tokens=round(kept.quantity),
        cost_micro_usd=kept.cost_micro_usd,
        left_out=left_out,
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


def chunk_set_id(input_id: str, transcript_id: str, cut_by: str) -> str:
    """One set for each input and way of cutting, so that a set's place among others never moves."""
    return hashlib.sha256("\0".join((input_id, transcript_id, cut_by)).encode()).hexdigest()[:32]
