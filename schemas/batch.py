"""Reprocessing many videos: the wish, and the videos that were chosen for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from schemas.event import Asked, Command, Coordinates, CreatorId, Fact, VideoId, Wire


class VideoFilter(Asked):
    """Which videos: all of the conditions that are given must hold."""

    creator_id: CreatorId | None = None
    status: str | None = None
    model_not: str | None = Field(
        default=None, description="Videos without a complete set in this model's spaces, or in this space."
    )
    before: AwareDatetime | None = Field(default=None, description="Videos whose newest transcript is older than this.")

    @field_validator("before")
    @classmethod
    def _has_a_moment(cls, before: datetime | None) -> datetime | None:
        """Near the calendar's ends a zone can lead out of it."""
        try:
            return before and before.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("outside the calendar") from error

    def is_empty(self) -> bool:
        return not any((self.creator_id, self.status, self.model_not, self.before))


class EmbeddingsBatchReprocess(Command, name="embeddings.batch-reprocess", version=1):
    """Videos, named or filtered, are to be embedded again from their transcripts. An empty choice is refused."""

    batch_id: str = Field(min_length=1, max_length=200)
    creator_id: CreatorId | None = None
    video_ids: list[VideoId] | None = None
    filter: VideoFilter | None = None
    embedding_model: str | None = None
    reason: str

    def key(self) -> str:
        return self.batch_id

    def subject(self) -> str:
        return self.batch_id

    @model_validator(mode="after")
    def _chooses(self) -> Self:
        if not self.video_ids and (self.filter is None or self.filter.is_empty()):
            raise ValueError("name videoIds, or a filter with at least one condition")
        return self


class Chosen(Wire):
    """A video of a batch, and where its transcript stands."""

    creator_id: CreatorId
    video_id: VideoId
    transcript: Coordinates


class BatchExpanded(Fact, name="batch.expanded", version=1):
    """The videos of a batch, chosen once and for all: a rewind does not choose again."""

    batch_id: str
    creator_id: CreatorId | None = None
    chosen: list[Chosen]

    def key(self) -> str:
        return self.batch_id

    def subject(self) -> str:
        return self.batch_id
