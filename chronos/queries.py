"""Questions to the projection's tables, as the command line and others ask them. Dictionaries have the names of the JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from streams.postgres import Pool, Row, load_queries

QUESTIONS = load_queries("projections.sql", "questions.sql") | load_queries("chronos", "queries.sql")

ENDINGS = ("completed", "failed")
MANY = 1_000


class NoSuchVideo(Exception):
    """No video is known by this id, or more than one is."""


async def videos(pool: Pool, *, creator_id: str | None = None, limit: int = MANY) -> list[dict[str, Any]]:
    """What is known of each video, newest first."""
    return [video(row) for row in await pool.fetch(QUESTIONS["status"], None, creator_id, limit)]


async def status(pool: Pool, video_id: str, creator_id: str | None = None) -> dict[str, Any]:
    """What is known of one video.

    Raises:
        NoSuchVideo: none, or several creators' videos have this id.
    """
    rows = await pool.fetch(QUESTIONS["status"], video_id, creator_id, MANY)
    if len(rows) > 1:
        creators = ", ".join(sorted(row["creator_id"] for row in rows))
        raise NoSuchVideo(f"{len(rows)} creators have a video {video_id!r}: say which with --creator ({creators})")
    if not rows:
        of = f" of creator {creator_id!r}" if creator_id else ""
        raise NoSuchVideo(f"no video {video_id!r}{of} is known; `chronos status` lists those that are")
    return video(rows[0])


async def transcript(pool: Pool, video_id: str, creator_id: str | None = None) -> dict[str, Any]:
    """The newest transcript of a video.

    Raises:
        NoSuchVideo: none has this id, several have, or it is not transcribed yet.
    """
    found = await status(pool, video_id, creator_id)
    row = await pool.fetchrow(QUESTIONS["transcript"], video_id, found["creatorId"])
    if row is None:
        raise NoSuchVideo(f"{video_id!r} has no transcript yet: it is {found['status']}")
    segments = [{name: one[name] for name in ("start", "end", "text")} for one in _json(row["segments"]) or []]
    return {"videoId": video_id, "language": row["language"], "text": row["body"], "segments": segments}


async def run_status(pool: Pool, creator_id: str, video_id: str, run_id: str) -> tuple[str, dict[str, Any] | None]:
    """How far one run is, and its error. What is not folded yet is pending."""
    row = await pool.fetchrow(QUESTIONS["run"], creator_id, video_id, run_id)
    return (row["status"] or "pending", _json(row["error"])) if row else ("pending", None)


async def paid_calls(pool: Pool, run_ids: Sequence[str]) -> tuple[int, int]:
    """Provider calls that these runs paid for, and those of earlier runs whose answers they used again."""
    row = await pool.fetchrow(QUESTIONS["paid_calls"], list(run_ids))
    return (row["paid"], row["remembered"]) if row else (0, 0)


def video(row: Row) -> dict[str, Any]:
    return {
        "videoId": row["video_id"],
        "creatorId": row["creator_id"],
        "runId": str(row["run_id"]) if row["run_id"] else None,
        "status": row["status"],
        "title": row["title"],
        "durationSeconds": row["duration_seconds"],
        "costMicroUsd": row["cost_micro_usd"],
        "error": _json(row["error"]),
    }


def _json(value: Any) -> Any:
    """jsonb as asyncpg gives it, which is text unless a codec is set."""
    return json.loads(value) if isinstance(value, str) else value
