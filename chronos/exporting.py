"""What people take away of a video, out of the tables: its words in a format, its chapters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chronos import queries
from chronos.export_formats import KINDS, Format, Spoken
from chronos.pieces import pieces
from schemas.transcription import TranscriptSegment
from streams.postgres import Pool

if TYPE_CHECKING:
    from chronos.chapters import Chapter

LEAST = 3  # chapters; YouTube takes no fewer


class TooFewChapters(Exception):
    """A video cannot be cut as it is wanted."""


async def export(pool: Pool, video_id: str, creator_id: str | None, kind: Format) -> tuple[Spoken, str]:
    """What was said, and that in a format.

    Raises:
        NoSuchVideo: also where there is no transcript yet.
    """
    found = await spoken(pool, video_id, creator_id)
    return found, await asyncio.to_thread(KINDS[kind].write, found)  # six hours take seconds


async def youtube(pool: Pool, video_id: str, creator_id: str | None) -> Spoken:
    """With as many chapters as YouTube wants.

    Raises:
        NoSuchVideo, TooFewChapters.
    """
    found = await spoken(pool, video_id, creator_id, least=LEAST)
    if len(found.chapters) < LEAST:
        raise TooFewChapters(
            f"YouTube takes {LEAST} chapters of 10 s or more, and video {video_id!r} gives {len(found.chapters)}: it "
            "is too short, or not embedded yet; shorter chunks (CHRONOS_CHUNKING) can be cut at more places"
        )
    return found


async def spoken(pool: Pool, video_id: str, creator_id: str | None, least: int = 1) -> Spoken:
    """The newest transcript, with chapters by the chunks that search uses.

    Raises:
        NoSuchVideo: also where there is no transcript yet.
    """
    video, row = await queries.newest_transcript(pool, video_id, creator_id)
    vectors = await pool.fetch(queries.SQL["served_vectors"], video["creatorId"], video_id)
    segments = [TranscriptSegment.model_validate(one) for one in json.loads(row["segments"])]
    return Spoken(
        creator_id=video["creatorId"],
        video_id=video_id,
        title=video["title"],
        language=row["language"],
        duration=row["duration_seconds"],
        model=row["model"],
        segments=segments,
        chapters=await asyncio.to_thread(_chapters, vectors, segments, least),
    )


def _chapters(vectors: Sequence[Any], segments: list[TranscriptSegment], least: int) -> list[Chapter]:
    from chronos.chapters import Embedded, chapters  # with numpy, 0.2 s that a server need not wait for at its start

    chunks = [Embedded(one["start_seconds"], one["end_seconds"], one["embedding"]) for one in vectors]
    return chapters(chunks, pieces(segments), least)
