"""delete-video: the end of what is remembered of a video, so that nothing from before brings it back."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agents.ports import Erasure
from schemas.deletion import VideoDelete, VideoDeleted
from streams.retry import Retry
from streams.stage import Step, function


@function("delete-video", version=1, retry=Retry(attempts=3, first=5.0, cap=300.0))
async def delete_video(request: VideoDelete, step: Step, *, erasure: Erasure) -> AsyncIterator[VideoDeleted]:
    """First the journal, then the fact: by the time that the tables let go of it, no run of it says anything new."""
    await step("erase", erasure.erase, request.creator_id, request.video_id, step.run_id)
    yield VideoDeleted(
        video_id=request.video_id, creator_id=request.creator_id, by=request.by, reason=request.reason
    )  # fmt: skip
