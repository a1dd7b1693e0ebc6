"""Many videos are embedded anew from their transcripts: which those are and what it would cost, then by one command."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.generate_embeddings import generate_embeddings
from chronos import app, operations, planning
from chronos.adapters.catalogue import ProjectedCatalogue
from chronos.config import Settings
from chronos.foreseeing import Foresight
from chronos.plans import name_of
from chronos.sending import sender
from schemas.batch import Chosen, EmbeddingsBatchReprocess, VideoFilter
from streams.postgres import Pool


class NoneChosen(Exception):
    """No video that has a transcript is meant."""


@dataclass(frozen=True)
class Plan:
    """Which videos, and what embedding them would need. What is bought is not bought again."""

    wish: EmbeddingsBatchReprocess
    chosen: Sequence[Chosen]
    foresight: Foresight

    @property
    def id(self) -> str:
        needs = self.foresight.needs
        videos = [(one.creator_id, one.video_id, str(one.transcript)) for one in self.chosen]
        return name_of([videos, needs.calls, needs.cost_micro_usd])

    def to_json(self) -> dict[str, Any]:
        needs = self.foresight.needs
        return {
            "plan": self.id,
            "videos": [{"creatorId": one.creator_id, "videoId": one.video_id} for one in self.chosen],
            "remembered": needs.remembered,
            "paidCalls": needs.calls,
            "costMicroUsd": needs.cost_micro_usd,
            "unknown": needs.unknown,
        }


def command(videos: Sequence[str], chosen: VideoFilter, reason: str | None) -> EmbeddingsBatchReprocess:
    """
    Raises:
        ValidationError: it names no videos and no condition, and that must not mean all.
    """
    return EmbeddingsBatchReprocess(
        batch_id=str(uuid.uuid4()),
        video_ids=list(videos) or None,
        filter=None if chosen.is_empty() else chosen,
        reason=reason or "reprocess",
    )


async def plan(
    settings: Settings, pool: Pool, wish: EmbeddingsBatchReprocess, progress: planning.Told = lambda what, share: None
) -> Plan:
    """
    Raises:
        NoneChosen.
    """
    chosen = await ProjectedCatalogue(pool).choose(wish)
    if not chosen:
        raise NoneChosen("no video with a transcript is meant: `chronos status` lists the videos")
    places = [one.transcript for one in chosen]
    return Plan(wish, chosen, await planning.price(settings, generate_embeddings, places, progress))


async def execute(settings: Settings, planned: Plan) -> dict[str, Any]:
    """Sends the command, which chooses for itself when it is read, and tells of it on the log; gives its place."""
    ids = await app.topic_ids(settings)
    async with sender(app.cluster(settings), ids, "reprocess") as send:
        sent = await send.send(planned.wish)
    outcome = {**sent.place.model_dump(), "runId": sent.run_id}
    wish = planned.wish
    said = {name: value for name, value in planned.to_json().items() if name != "videos"}
    await operations.tell(
        settings, "reprocess", wish.batch_id, wish.reason, {**said, "videos": len(planned.chosen)}, outcome
    )
    return outcome
