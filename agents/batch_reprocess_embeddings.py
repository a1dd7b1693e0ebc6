"""batch-reprocess-embeddings: from a choice of videos to a chunk.requested for each."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pydantic import TypeAdapter

from agents.ports import Catalogue
from schemas.batch import BatchExpanded, Chosen, EmbeddingsBatchReprocess
from schemas.embedding import ChunkRequested
from streams.retry import Retry
from streams.stage import Step, function

_CHOSEN = TypeAdapter(list[Chosen])


@function("batch-reprocess-embeddings", version=1, retry=Retry(attempts=3, first=5.0, cap=300.0))
async def batch_reprocess_embeddings(
    request: EmbeddingsBatchReprocess, step: Step, *, catalogue: Catalogue
) -> AsyncIterator[BatchExpanded | ChunkRequested]:
    """Chooses once: a rewind asks for the same videos again, whatever has changed since."""

    async def choose() -> bytes:
        return _CHOSEN.dump_json(await catalogue.choose(request))

    chosen = _CHOSEN.validate_json(await step.once("choose", choose))
    yield BatchExpanded(batch_id=request.batch_id, creator_id=request.creator_id, chosen=chosen)
    for video in chosen:
        yield ChunkRequested(
            video_id=video.video_id,
            creator_id=video.creator_id,
            reason=request.reason,
            embedding_model=request.embedding_model,
            transcript=video.transcript,
        )
