"""What the runner says of every function: retries, failures, usage, and the notifications that follow a failure."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.event import Count, CreatorId, Fact, MicroUsd, RunId, VideoId, Wire


class Error(Wire):
    """Why something went wrong, in words that help."""

    type: str
    message: str
    retryable: bool


class FailedEvent(Wire):
    """The record that could not be processed, whole where it is under 1 MiB."""

    topic: str
    partition: Count
    offset: Count
    key: bytes | None = None
    value: bytes | None = None


class FunctionRetried(Fact, name="function.retried", version=1):
    """An attempt failed, and another will be made."""

    video_id: VideoId | None = Field(default=None, description="Absent where a batch was being processed.")
    creator_id: CreatorId | None = None
    function: str
    attempt: Count
    retry_at: AwareDatetime
    error: Error

    def part(self) -> str:
        return str(self.attempt)


class FunctionFailed(Fact, name="function.failed", version=1):
    """A run has ended without success."""

    video_id: VideoId | None = Field(default=None, description="Absent where a batch was being processed.")
    creator_id: CreatorId | None = None
    function: str
    attempts: Count
    error: Error
    event: FailedEvent

    def part(self) -> str:
        return str(self.attempts)


class RunCancelled(Fact, name="run.cancelled", version=1):
    """A person called a run off: it does and pays nothing more. What was bought before stays."""

    video_id: VideoId
    creator_id: CreatorId
    run_id: RunId
    by: str = Field(description="Who did it, such as the command line.")
    reason: str

    def part(self) -> str:
        return self.run_id


class UsageRecorded(Fact, name="usage.recorded", version=1):
    """What was bought of a provider (memoized false, one per paid call), or reused without paying (memoized true)."""

    video_id: VideoId
    creator_id: CreatorId | None = None
    function: str
    usage: Literal["audioSeconds", "inputTokens"] = Field(alias="kind")
    quantity: float = Field(ge=0)
    model: str
    cost_micro_usd: MicroUsd = Field(description="What was paid; for memoized usage what was saved.")
    memoized: bool
    keys: list[str] | None = Field(default=None, description="Keys of the results that the call gave.")
    token: str | None = Field(default=None, description="Names the paid call; absent where memoized.")

    def part(self) -> str:
        return self.token or f"{self.usage}/{self.model}"


class ResultKept(Fact, name="result.kept", version=1):
    """A paid result that no other fact of its run carries, so that the journal can be rebuilt from the log."""

    video_id: VideoId
    creator_id: CreatorId | None = None
    function: str
    paid_key: str
    result: bytes
    quantity: float = Field(ge=0)
    cost_micro_usd: MicroUsd

    def part(self) -> str:
        return self.paid_key

    def paid_keys(self) -> tuple[str, ...]:
        return (self.paid_key,)


class NotificationSent(Fact, name="notification.sent", version=1):
    """Somebody was told of a failure."""

    video_id: VideoId
    creator_id: CreatorId | None = None
    channel: str
    target: str
    status: str

    def part(self) -> str:
        return f"{self.channel}/{self.target}"
