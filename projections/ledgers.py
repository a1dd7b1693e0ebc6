"""usage and failures: ledgers, a row an event. Sums are made when they are asked for, never kept."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.running import FunctionFailed, UsageRecorded
from streams.codec import Received
from streams.projection import Projection, Put, Table, Version

USAGE = Table(
    "usage",
    key={"event_id": "uuid"},
    registers={
        "entry": {
            "creator_id": "text",
            "video_id": "text",
            "run_id": "uuid",
            "function": "text",
            "kind": "text",
            "quantity": "float8",
            "model": "text",
            "cost_micro_usd": "int8",
            "memoized": "bool",
            "token": "text",
            "recorded_at": "timestamptz",
        }
    },
)

FAILURES = Table(
    "failures",
    key={"event_id": "uuid"},
    registers={
        "entry": {
            "creator_id": "text",
            "video_id": "text",
            "run_id": "uuid",
            "function": "text",
            "attempts": "int4",
            "error_type": "text",
            "error_message": "text",
            "retryable": "bool",
            "topic": "text",
            "partition": "int4",
            "offset": "int8",
            "failed_at": "timestamptz",
        }
    },
)


def evolve(received: Received, version: Version) -> Iterator[Put]:
    fact, at = received.event, version.at()
    match fact:
        case UsageRecorded():
            used = (
                fact.usage,
                fact.quantity,
                fact.model,
                fact.cost_micro_usd,
                fact.memoized,
                fact.token,
            )
            who = (fact.creator_id, fact.video_id, received.run_id, fact.function)
            yield Put(USAGE, (received.id,), "entry", (*who, *used, received.at), at)
        case FunctionFailed():
            error, event = fact.error, fact.event
            whose = (fact.creator_id, fact.video_id, received.run_id, fact.function)
            why = (fact.attempts, error.type, error.message, error.retryable)
            place = (event.topic, event.partition, event.offset)
            yield Put(FAILURES, (received.id,), "entry", (*whose, *why, *place, received.at), at)
        case _:
            raise AssertionError(f"{fact.name} is not of this projection")


PROJECTION = Projection("ledgers", (USAGE, FAILURES), (UsageRecorded, FunctionFailed), evolve)
