"""A video is processed anew, whatever became of it: its request is sent again, or its transcript is embedded again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from agents.generate_embeddings import generate_embeddings
from agents.transcribe_video import transcribe_video
from chronos import app, operations, planning
from chronos.config import Settings
from chronos.plans import name_of
from chronos.queries import SQL, NoSuchVideo
from chronos.sending import Sender, Sent, sender
from schemas.embedding import ChunkRequested
from schemas.event import Coordinates
from schemas.transcription import TranscribeRequested
from streams.postgres import Pool
from streams.reading import LogReader
from streams.rehearsal import Foreseen

Stage = Literal["transcribe", "embed"]


@dataclass(frozen=True)
class Plan:
    """What would be sent, and what the first function would need for it. What is bought is not bought again."""

    video_id: str
    creator_id: str
    stage: Stage
    place: Coordinates  # of the request, or of the transcript
    needs: Foreseen

    @property
    def id(self) -> str:
        needs = self.needs
        return name_of([self.video_id, self.creator_id, self.stage, str(self.place), needs.calls, needs.cost_micro_usd])

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": self.id,
            "videoId": self.video_id,
            "creatorId": self.creator_id,
            "stage": self.stage,
            "event": self.place.model_dump(),
            "remembered": self.needs.remembered,
            "paidCalls": self.needs.calls,
            "costMicroUsd": self.needs.cost_micro_usd,
            "unknown": self.needs.unknown > 0,
            "follows": [generate_embeddings.name] if self.stage == "transcribe" else [],
        }


async def plan(settings: Settings, pool: Pool, video: tuple[str, str], stage: Stage) -> Plan:
    """
    Raises:
        NoSuchVideo: this creator has none of that name, or it has no transcript yet.
    """
    creator, name = video
    if stage == "transcribe":
        row = await pool.fetchrow(SQL["request"], creator, name, TranscribeRequested.name)
        function, what = transcribe_video, "request"
    else:
        row = await pool.fetchrow(SQL["transcript_place"], creator, name)
        function, what = generate_embeddings, "transcript"
    if row is None:
        raise NoSuchVideo(f"no {what} of a video {name!r} of {creator!r} is known; `chronos status` lists the videos")
    place = Coordinates(**dict(row))
    foreseen = await planning.price(settings, function, [place])
    return Plan(name, creator, stage, place, foreseen.needs)


async def execute(settings: Settings, planned: Plan, reason: str | None) -> dict[str, Any]:
    """Sends it, and tells of it on the log; gives its place and the new run.

    Raises:
        NoSuchVideo: what is to be sent again stands on the log no more.
    """
    ids = await app.topic_ids(settings)
    async with sender(app.cluster(settings), ids, "rerun") as send:
        sent = await _send(settings, send, planned, reason)
    place = {"topic": sent.place.topic, "partition": sent.place.partition, "offset": sent.place.offset}
    outcome = {**place, "runId": sent.run_id}
    target = f"{planned.video_id} of {planned.creator_id}"
    await operations.tell(settings, "rerun", target, reason, planned.to_json(), outcome)
    return outcome


async def _send(settings: Settings, send: Sender, planned: Plan, reason: str | None) -> Sent:
    if planned.stage == "embed":
        who = {"video_id": planned.video_id, "creator_id": planned.creator_id}
        return await send.send(ChunkRequested(**who, reason=reason or "rerun", transcript=planned.place))
    record = await asyncio.to_thread(LogReader(app.cluster(settings)).at, planned.place)
    if record is None:
        raise NoSuchVideo(f"the request of video {planned.video_id!r} stands on the log no more: send it anew")
    received = app.codec(await app.topic_ids(settings)).read(record)
    return await send.send_again(received.event, record, cause=received.id)
