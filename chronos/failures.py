"""Which failures are meant, whether they still stand, and what to try again would cost. Pure: see chronos.retrying."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chronos.plans import name_of
from schemas.event import Coordinates

TOKENS_A_SECOND = 7  # of speech: 200 words a minute, 1.5 tokens a word, a quarter of them twice in overlapping chunks
BYTES_A_TOKEN = 4
OVERLAP = 1.25  # chunks of 500 words share 100 with their neighbours

COMMANDS = {
    "transcribe-video": "transcribe.requested",
    "generate-embeddings": "chunk.requested",
    "batch-reprocess-embeddings": "embeddings.batch-reprocess",
    "delete-video": "video.delete",
}
"""What is sent when a function's failure is to be tried again: always a command, never a fact."""

SAME_EVENT = ("send-webhooks",)
"""Functions whose failed event is processed again where it stands: it is a fact, and no command leads to it alone."""

RETRIED = (*COMMANDS, *SAME_EVENT)


@dataclass(frozen=True)
class Failure:
    """A function.failed, with what the tables know of its video."""

    id: str  # event id
    creator: str | None
    video: str | None  # absent where a batch was being processed
    run: str
    function: str
    attempts: int
    type: str
    message: str
    retryable: bool
    origin: Coordinates  # where the record stands that could not be processed
    failed_at: datetime
    standing: bool  # the video's newest run is this one, and has failed
    duration: float | None = None  # seconds of the video
    transcript_bytes: int | None = None
    heard: float = 0.0  # seconds of it that are paid for
    embedded: float = 0.0  # tokens of it that are paid for

    @property
    def command(self) -> str | None:
        """None: the event itself is processed again."""
        return COMMANDS.get(self.function)


@dataclass(frozen=True)
class Filter:
    """Which failures: all that is given must hold."""

    function: str | None = None
    error_type: str | None = None
    creator: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    ids: frozenset[str] = frozenset()

    def takes(self, failure: Failure) -> bool:
        return (
            (not self.ids or failure.id in self.ids)
            and self.function in (None, failure.function)
            and self.error_type in (None, failure.type)
            and self.creator in (None, failure.creator)
            and (self.since is None or failure.failed_at >= self.since)
            and (self.before is None or failure.failed_at < self.before)
        )


@dataclass(frozen=True)
class Prices:
    """In millionths of a dollar."""

    minute: int  # of audio
    million_tokens: int


def choose(failures: Iterable[Failure], chosen: Filter, *, even_over: bool = False) -> list[Failure]:
    """One failure for each video, and for each message that its receivers have not got, the oldest first.

    A video's newest failure speaks for it: an older one of the same run was overcome. With `even_over`, videos that
    were retried or completed since are taken as well, each by the newest failure that is meant.
    """
    known = [failure for failure in failures if failure.function in RETRIED]
    if even_over:
        return _newest(failure for failure in known if chosen.takes(failure))
    return [failure for failure in _newest(f for f in known if f.standing) if chosen.takes(failure)]


def _newest(failures: Iterable[Failure]) -> list[Failure]:
    found: dict[tuple[object, ...], Failure] = {}
    for failure in sorted(failures, key=lambda failure: (failure.failed_at, failure.id)):
        found[_about(failure)] = failure
    return sorted(found.values(), key=lambda failure: (failure.failed_at, failure.id))


def _about(failure: Failure) -> tuple[object, ...]:
    """Failures about the same thing are tried again once: a video, a batch, or an event that is processed again."""
    if failure.command is None:
        return failure.function, failure.origin
    return failure.creator, failure.video or f"\0{failure.id}"


def cost(failure: Failure, prices: Prices) -> int | None:
    """At most so many millionths of a dollar; None where the length is not known, or a batch has yet to choose.

    What any run of the video has used of these models is in the journal, and free. Silence is not sent, so that less
    may be paid than the length says.
    """
    match failure.function:
        case "transcribe-video":
            return _speech(failure, prices)
        case "generate-embeddings":
            return _embedding(failure.transcript_bytes, failure.embedded, prices)
        case "delete-video" | "send-webhooks":
            return 0
        case _:
            return None if prices.million_tokens else 0


def _speech(failure: Failure, prices: Prices) -> int | None:
    if not prices.minute and not prices.million_tokens:
        return 0
    if failure.duration is None:
        return None
    heard = math.ceil(max(0.0, failure.duration - failure.heard) * prices.minute / 60)
    return heard + math.ceil(failure.duration * TOKENS_A_SECOND * prices.million_tokens / 1_000_000)


def _embedding(size: int | None, embedded: float, prices: Prices) -> int | None:
    if not prices.million_tokens:
        return 0
    if size is None:
        return None
    tokens = max(0.0, size / BYTES_A_TOKEN * OVERLAP - embedded)
    return math.ceil(tokens * prices.million_tokens / 1_000_000)


@dataclass(frozen=True)
class Bill:
    """What all of it would cost."""

    micro_usd: int
    unknown: int  # failures whose cost is not known


def bill(costs: Iterable[int | None]) -> Bill:
    costs = list(costs)
    return Bill(sum(cost or 0 for cost in costs), sum(cost is None for cost in costs))


@dataclass(frozen=True)
class Plan:
    """What is to be tried again, each with what that costs at most, where it is known."""

    failures: Sequence[Failure]
    costs: Sequence[int | None]

    @property
    def id(self) -> str:
        return name_of([[failure.id for failure in self.failures], list(self.costs)])

    @property
    def bill(self) -> Bill:
        return bill(self.costs)

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": self.id,
            "costMicroUsd": self.bill.micro_usd,
            "unknownCosts": self.bill.unknown,
            "failures": [_json(f, cost) for f, cost in zip(self.failures, self.costs, strict=True)],
        }


def _json(failure: Failure, cost: int | None) -> dict[str, Any]:
    return {
        "failureId": failure.id,
        "videoId": failure.video,
        "creatorId": failure.creator,
        "runId": failure.run,
        "function": failure.function,
        "attempts": failure.attempts,
        "error": {"type": failure.type, "message": failure.message, "retryable": failure.retryable},
        "failedAt": failure.failed_at.isoformat(),
        "event": failure.origin.model_dump(),
        "command": failure.command,
        "costMicroUsd": cost,
    }
