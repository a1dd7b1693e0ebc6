"""chronos delete: what would go with a video, and its end; who did it and why stays on the log."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from chronos import app, operations, queries
from chronos.config import Settings
from chronos.pipeline import TABLES
from chronos.plans import name_of
from chronos.sending import sender
from projections.deletions import is_about_videos
from schemas.deletion import VideoDelete
from streams.erasing import Eraser
from streams.journal import prepare
from streams.postgres import Pool, load_queries

SQL = load_queries("projections.sql", "deleted.sql")

PATIENCE = 60.0  # seconds: delete-video waits for its turn as any run does, and then the tables have to hear of it
LOOK = 0.1


class NotGone(Exception):
    """The deletion is on the log, and was not carried out in time."""


@dataclass(frozen=True)
class Plan:
    """What would go with a video, and what would stay of it in the journal."""

    video_id: str
    creator_id: str
    rows: dict[str, int]
    """By table; tables that have none are left out."""
    results: int
    """Paid results that no other video uses: they would be bought again if it came back."""
    shared: int
    """Paid results that others use too, and that stay."""

    @property
    def id(self) -> str:
        return name_of([self.video_id, self.creator_id, self.rows, self.results, self.shared])

    def to_json(self) -> dict[str, Any]:
        who = {"plan": self.id, "videoId": self.video_id, "creatorId": self.creator_id}
        return {**who, "rows": self.rows, "paidResults": self.results, "sharedResults": self.shared}


async def plan(settings: Settings, video_id: str, creator_id: str | None) -> Plan:
    """What is known of a video now.

    Raises:
        NoSuchVideo: neither tables nor journal know it, or several creators have one of that name.
    """
    async with app.projection_pool(settings, most=1) as pool:
        await prepare(pool)
        creator = creator_id or (await queries.status(pool, video_id, None))["creatorId"]
        rows = {
            table.name: await _count(pool, table.name, creator, video_id) for table in filter(is_about_videos, TABLES)
        }
        results, shared = await Eraser(pool).count(creator, video_id)
    rows = {name: count for name, count in rows.items() if count}
    if not (rows or results or shared):
        raise queries.NoSuchVideo(f"no video {video_id!r} of {creator!r} is known; `chronos status` lists them")
    return Plan(video_id, creator, rows, results, shared)


async def _count(pool: Pool, table: str, creator_id: str, video_id: str) -> int:
    return int(await pool.fetchval(SQL["count"].replace("table_name", f'"{table}"'), creator_id, video_id))


async def execute(settings: Settings, planned: Plan, reason: str | None, *, patience: float = PATIENCE) -> str:
    """Deletes a video, and waits until it is gone from the tables; gives the deletion's run id.

    Raises:
        NotGone: it will be, once delete-video and the projection are at work.
    """
    wish = VideoDelete(
        video_id=planned.video_id, creator_id=planned.creator_id, by=operations.operator(), reason=reason
    )  # fmt: skip
    ids = await app.topic_ids(settings)
    async with sender(app.cluster(settings), ids, "cli") as send:
        run_id = (await send.send(wish)).run_id
    async with app.projection_pool(settings, most=1) as pool:
        gone = await _gone(pool, planned, run_id, patience)
    target = f"{planned.video_id} of {planned.creator_id}"
    await operations.tell(settings, "delete", target, reason, planned.to_json(), {"runId": run_id, "gone": gone})
    if not gone:
        raise NotGone(
            f"after {patience:.0f} s video {planned.video_id!r} is still in the tables; its deletion is on the log, "
            "and is carried out once workers of delete-video and of the projection run; see `chronos doctor`"
        )
    return run_id


async def _gone(pool: Pool, planned: Plan, run_id: str, patience: float) -> bool:
    """Whether the tables know of this deletion, or of a later one, in time."""
    deadline = time.monotonic() + patience
    video = ([planned.creator_id], [planned.video_id])
    while not any(str(row["run_id"]) >= run_id for row in await pool.fetch(SQL["marks"], *video)):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK)
    return True
