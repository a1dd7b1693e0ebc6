"""chronos cancel: a run is called off, as a fact on the log and a mark in the journal that its steps look at."""

from __future__ import annotations

from typing import Any

from chronos import app, queries
from chronos.config import Settings
from chronos.sending import sender
from schemas.running import RunCancelled
from streams import postgres
from streams.journal import Journal, prepare


async def cancel(settings: Settings, video_id: str, creator_id: str | None, reason: str) -> dict[str, Any]:
    """Calls the newest run of a video off; gives {videoId, creatorId, runId}. To do it twice does no harm.

    The fact comes first: a mark that was lost with the journal is read back from it.

    Raises:
        NoSuchVideo, RunIsOver.
    """
    async with app.projection_pool(settings, most=1) as pool:
        video = await queries.status(pool, video_id, creator_id)
    if video["status"] in ("completed", "failed"):
        raise queries.RunIsOver(f"the run of video {video_id!r} is over already: it {video['status']}")
    who = {"video_id": video_id, "creator_id": video["creatorId"], "run_id": video["runId"]}
    ids = await app.topic_ids(settings)
    async with sender(app.cluster(settings), ids, "cli") as send:
        await send.send(RunCancelled(**who, by="chronos cancel", reason=reason))
    pool = await postgres.connect(settings.database(), most=1)
    try:
        await prepare(pool)
        await Journal(pool).cancel(video["runId"])
    finally:
        await pool.close()
    return {"videoId": video_id, "creatorId": video["creatorId"], "runId": video["runId"]}
