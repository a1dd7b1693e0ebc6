"""What people ask of the tables: how far videos are, and what was said in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from streams.postgres import Pool, Row, load_queries

SQL = load_queries("projections.sql", "questions.sql")

MOST = 1_000  # videos in a list


ENDINGS = ("completed", "failed", "cancelled")


class NoSuchVideo(Exception):
    """No such video, none of that creator, or several of several creators."""


class RunIsOver(Exception):
    """There is nothing left to call off."""


async def videos(
    pool: Pool, *, video_id: str | None = None, creator_id: str | None = None, most: int = MOST
) -> list[dict[str, Any]]:
    """Videos, the newest request first, in the form that `status --json` keeps."""
    return [_status(row) for row in await pool.fetch(SQL["status"], video_id, creator_id, most)]


async def run_status(pool: Pool, creator_id: str, video_id: str, run_id: str) -> dict[str, Any]:
    """Its `status`, pending while the tables do not know it yet; what holds it (`held`); why it failed (`error`)."""
    row = await pool.fetchrow(SQL["run_status"], creator_id, video_id, run_id)
    if row is None:
        return {"status": "pending", "held": None, "error": None}
    error = json.loads(row["error"]) if row["error"] else None
    return {"status": row["status"], "held": row["held"], "error": error}


def in_words(video: Mapping[str, Any]) -> str:
    """Its status, and what holds it, as people read it."""
    return f"held: {video['held']} ({video['status']})" if video["held"] else str(video["status"])


async def status(pool: Pool, video_id: str, creator_id: str | None) -> dict[str, Any]:
    """One video's status.

    Raises:
        NoSuchVideo.
    """
    found = await videos(pool, video_id=video_id, creator_id=creator_id)
    if not found:
        raise NoSuchVideo(f"no video {video_id!r} is known; `chronos status` lists them")
    if len(found) > 1:
        creators = ", ".join(sorted(one["creatorId"] for one in found))
        raise NoSuchVideo(f"several creators have a video {video_id!r}: name one with --creator ({creators})")
    return found[0]


async def transcript(pool: Pool, video_id: str, creator_id: str | None) -> dict[str, Any]:
    """A video's newest transcript, in the form that `transcript --json` keeps.

    Raises:
        NoSuchVideo.
    """
    _, row = await newest_transcript(pool, video_id, creator_id)
    segments = [{key: segment[key] for key in ("start", "end", "text")} for segment in json.loads(row["segments"])]
    return {"videoId": video_id, "language": row["language"], "text": row["body"], "segments": segments}


async def newest_transcript(pool: Pool, video_id: str, creator_id: str | None) -> tuple[dict[str, Any], Row]:
    """The video's status, and its newest transcript's row.

    Raises:
        NoSuchVideo: also where there is no transcript yet.
    """
    video = await status(pool, video_id, creator_id)
    row = await pool.fetchrow(SQL["transcript"], video_id, video["creatorId"])
    if row is None:
        raise NoSuchVideo(f"video {video_id!r} has no transcript yet: it is {video['status']}")
    return video, row


def _status(row: Row | Mapping[str, Any]) -> dict[str, Any]:
    error = json.loads(row["error"]) if row["error"] else None
    return {
        "videoId": row["video_id"],
        "creatorId": row["creator_id"],
        "runId": str(row["run_id"]),
        "status": row["status"],
        "held": row["held"],
        "title": row["title"],
        "durationSeconds": row["duration_seconds"],
        "language": row["language"],
        "costMicroUsd": row["cost_micro_usd"],
        "error": error,
    }
