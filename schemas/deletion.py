"""Deleting a video: the wish, and that it was carried out."""

from __future__ import annotations

from pydantic import Field

from schemas.event import Command, CreatorId, Fact, VideoId


class VideoDelete(Command, name="video.delete", version=1):
    """All that is known of a video from before this is to go. A request that comes after it is a new beginning."""

    video_id: VideoId
    creator_id: CreatorId
    by: str = Field(description="Who wishes it.")
    reason: str | None = None


class VideoDeleted(Fact, name="video.deleted", version=1):
    """A video's paid results are erased, and no event of a run from before its video.delete is folded any more."""

    video_id: VideoId
    creator_id: CreatorId
    by: str = Field(description="Who wished it.")
    reason: str | None = None
