"""What webhooks are sent: the JSON that their receivers read. Fields may come, none goes or changes its meaning."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.event import Count, CreatorId, RunId, VideoId, Wire
from schemas.running import Error

Kind = Literal["video.completed", "video.failed"]


class Ending(Wire):
    """How a run of a video has ended. What an ending of the other kind has is absent."""

    video_id: VideoId
    creator_id: CreatorId
    run_id: RunId
    chunks: Count | None = Field(default=None, description="Passages that can be searched now.")
    function: str | None = Field(default=None, description="What could not be done.")
    attempts: Count | None = None
    error: Error | None = None


class Message(Wire):
    """An event as Standard Webhooks has it. Drawn from one fact alone, so that every attempt sends the same bytes."""

    type: Kind
    timestamp: AwareDatetime = Field(description="When it happened, not when it was sent.")
    data: Ending

    def body(self) -> bytes:
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()
