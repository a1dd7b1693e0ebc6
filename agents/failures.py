"""transcribe-video-error and handle-embedding-failure: somebody is told when a video could not be finished."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from agents.ports import Notifier
from schemas.running import FunctionFailed, NotificationSent
from streams.retry import Retry
from streams.stage import Step, function

RETRY = Retry(attempts=3, first=5.0, cap=300.0)


def _of(name: str) -> Callable[[FunctionFailed], bool]:
    return lambda failure: failure.function == name


@function("transcribe-video-error", retry=RETRY, reports_failure=False, accepts=_of("transcribe-video"))
async def transcribe_video_error(
    failure: FunctionFailed, step: Step, *, notifier: Notifier
) -> AsyncIterator[NotificationSent]:
    """A video could not be transcribed. Its status is the projection's to say; this tells a person."""
    yield await step("notify", tell, failure, "transcribed", notifier)


@function("handle-embedding-failure", retry=RETRY, reports_failure=False, accepts=_of("generate-embeddings"))
async def handle_embedding_failure(
    failure: FunctionFailed, step: Step, *, notifier: Notifier
) -> AsyncIterator[NotificationSent]:
    """A transcript is there and could not be made searchable."""
    yield await step("notify", tell, failure, "made searchable", notifier)


async def tell(failure: FunctionFailed, what: str, notifier: Notifier) -> NotificationSent:
    text = f"video {failure.video_id} could not be {what}: {failure.error.message} (attempts: {failure.attempts})"
    channel, target = await notifier.notify(failure.video_id or "", text)
    return NotificationSent(
        video_id=failure.video_id or "-",
        creator_id=failure.creator_id,
        channel=channel,
        target=target,
        status="sent",
    )
