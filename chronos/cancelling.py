"""Runs are called off, as facts on the log and marks in the journal that their steps look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chronos import app, operations, queries
from chronos.config import Settings
from chronos.sending import sender
from schemas.running import RunCancelled
from streams import postgres
from streams.journal import Journal, prepare


@dataclass(frozen=True)
class Run:
    """One processing of one video."""

    creator_id: str
    video_id: str
    run_id: str


async def cancel(settings: Settings, video_id: str, creator_id: str | None, reason: str) -> dict[str, Any]:
    """Calls the newest run of a video off; gives {videoId, creatorId, runId}. To do it twice does no harm.

    Raises:
        NoSuchVideo, RunIsOver.
    """
    async with app.projection_pool(settings, most=1) as pool:
        video = await queries.status(pool, video_id, creator_id)
    if video["status"] in ("completed", "failed"):
        raise queries.RunIsOver(f"the run of video {video_id!r} is over already: it {video['status']}")
    await call_off(settings, [Run(video["creatorId"], video_id, video["runId"])], reason)
    return {"videoId": video_id, "creatorId": video["creatorId"], "runId": video["runId"]}


async def cancel_run(settings: Settings, run_id: str, reason: str) -> dict[str, Any]:
    """Calls one run off, as `cancel` does a video's newest.

    Raises:
        NoSuchVideo, RunIsOver.
    """
    async with app.projection_pool(settings, most=1) as pool:
        row = await pool.fetchrow(queries.SQL["run"], run_id)
    if row is None:
        raise queries.NoSuchVideo(f"no run {run_id} is known")
    if row["status"] in ("completed", "failed"):
        raise queries.RunIsOver(f"run {run_id} of video {row['video_id']!r} is over already: it {row['status']}")
    await call_off(settings, [Run(row["creator_id"], row["video_id"], run_id)], reason)
    return {"videoId": row["video_id"], "creatorId": row["creator_id"], "runId": run_id}


async def call_off(settings: Settings, runs: Sequence[Run], reason: str) -> None:
    """Calls runs off. The facts come first: a mark that was lost with the journal is read back from them."""
    if not runs:
        return
    ids = await app.topic_ids(settings)
    async with sender(app.cluster(settings), ids, "cli") as send:
        for run in runs:
            who = {"video_id": run.video_id, "creator_id": run.creator_id, "run_id": run.run_id}
            await send.send(RunCancelled(**who, by=operations.operator(), reason=reason))
    pool = await postgres.connect(settings.database(), most=1)
    try:
        await prepare(pool)
        journal = Journal(pool)
        for run in runs:
            await journal.cancel(run.run_id)
    finally:
        await pool.close()
