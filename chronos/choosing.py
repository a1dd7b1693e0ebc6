"""Which inputs of a function are meant, by question: `--where`, `--video`, and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chronos import app
from chronos.conditions import Condition, all_hold
from chronos.config import Settings
from schemas.event import Coordinates
from schemas.transcription import TranscriptionCompleted
from streams.postgres import Row, load_queries
from streams.stage import Function

SQL = load_queries("projections.sql", "questions.sql")

FIELDS = ("creator", "video", "status", "error", "model", "version")
_COLUMNS = {"creator": "creator_id", "video": "video_id"}


class NothingMeant(Exception):
    """No input is meant, or the function's inputs cannot be asked about."""


@dataclass(frozen=True)
class Question:
    """All that is given must hold."""

    conditions: Sequence[Condition] = ()
    video: str | None = None
    since: datetime | None = None
    before: datetime | None = None

    def means(self, row: Row) -> bool:
        return (
            self.video in (None, row["video_id"])
            and (self.since is None or row["at"] >= self.since)
            and (self.before is None or row["at"] < self.before)
            and all_hold(self.conditions, lambda name: row[_COLUMNS.get(name, name)])
        )


async def choose(settings: Settings, function: Function, question: Question) -> list[Coordinates]:
    """Where the inputs stand that are meant, in the order of the log.

    Raises:
        NothingMeant: with what there is.
    """
    topics = [event.name for event in function.consumes]
    transcripts = next((name for name in topics if name == TranscriptionCompleted.name), None)
    requests = next((event.name for event in function.consumes if event.kind == "command"), None)
    if function.name not in ("transcribe-video", "generate-embeddings"):
        raise NothingMeant(f"the inputs of {function.name} are not of videos: rewind it by offsets")
    async with app.projection_pool(settings, most=1) as pool:
        rows = await pool.fetch(SQL["inputs"], requests, transcripts, function.name)
    found = [
        Coordinates(topic=row["topic"], partition=row["partition"], offset=row["offset"])
        for row in rows
        if question.means(row)
    ]
    if not found:
        raise NothingMeant(f"nothing is meant: none of {len(rows)} inputs of {function.name} is as asked for")
    return found
