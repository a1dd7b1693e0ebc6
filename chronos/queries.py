"""What people ask of the tables: how far videos are, and what was said in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from streams.postgres import Pool, Row, load_queries

SQL = load_queries("projections.sql", "questions.sql")

MOST = 1_000  # videos in a list


class UnknownVideo(Exception):
    """No such video, or none of that creator."""


class Ambiguous(Exception):
    """Several creators have a video of this id."""


async def statuses(pool: Pool, video_id: str | None, creator_id: str | None, most: int = MOST) -> list[dict[str, Any]]:
    """Videos, the newest request first, in the form that `status --json` keeps."""
    return [_status(row) for row in await pool.fetch(SQL["status"], video_id, creator_id, most)]


async def status(pool: Pool, video_id: str, creator_id: str | None) -> dict[str, Any]:
    """One video's status.

    Raises:
        UnknownVideo, Ambiguous.
    """
    found = await statuses(pool, video_id, creator_id)
    if not found:
        raise UnknownVideo(f"no video {video_id!r} is known; `chronos status` lists them")
    if len(found) > 1:
        creators = ", ".join(sorted(one["creatorId"] for one in found))
        raise Ambiguous(f"several creators have a video {video_id!r}: name one with --creator ({creators})")
    return found[0]


async def transcript(pool: Pool, video_id: str, creator_id: str | None) -> dict[str, Any]:
    """A video's newest transcript, in the form that `transcript --json` keeps.

    Raises:
        UnknownVideo, Ambiguous.
    """
    video = await status(pool, video_id, creator_id)
    row = await pool.fetchrow(SQL["transcript"], video_id, video["creatorId"])
    if row is None:
        raise UnknownVideo(f"video {video_id!r} has no transcript yet: it is {video['status']}")
    segments = [{key: segment[key] for key in ("start", "end", "text")} for segment in json.loads(row["segments"])]
    return {"videoId": video_id, "language": row["language"], "text": row["body"], "segments": segments}


def _status(row: Row | Mapping[str, Any]) -> dict[str, Any]:
    error = json.loads(row["error"]) if row["error"] else None
    return {
        "videoId": row["video_id"],
        "creatorId": row["creator_id"],
        "runId": str(row["run_id"]),
        "status": row["status"],
        "title": row["title"],
        "durationSeconds": row["duration_seconds"],
        "costMicroUsd": row["cost_micro_usd"],
        "error": error,
    }
