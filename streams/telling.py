"""What a run says: its events on the log, in the order that the promises need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.avro import data_schema
from schemas.event import Command, Event
from schemas.running import Error, FailedEvent, FunctionFailed, FunctionRetried, ResultKept, UsageRecorded
from streams.codec import SOURCE, Codec, Received
from streams.envelope import Envelope
from streams.identity import emitted_run, event_id, spend_id
from streams.journal import RunKey
from streams.kafka import Outbox, Stored
from streams.purchases import Result, Spend
from streams.retry import Problem
from streams.tracing import marked

LARGEST_VALUE = 1024 * 1024  # a record over this rides in function.failed by its coordinates alone


class Fenced(Exception):
    """The run is another worker's by now: nothing more may be said or written for it."""


class Cancelled(Exception):
    """A person called the run off: it does and pays nothing more."""


@dataclass(frozen=True)
class Speaker:
    """Who speaks: one function about one input."""

    key: RunKey
    run_id: str
    sequence: int

    def envelope(self, event: Event, id: str, run_id: str) -> Envelope:
        """What is said about an event beside its payload."""
        return Envelope(
            id=id,
            type=event.name,
            source=f"{SOURCE}/{self.key.function}",
            time=datetime.now(UTC),
            subject=event.subject(),
            run_id=run_id,
            cause_id=self.key.input_id,
            sequence=self.sequence,
            function=f"{self.key.function} {self.key.fingerprint}",
            schema=data_schema(type(event)),
        )


class Telling:
    """Sends a run's events. Facts with paid results are acknowledged before any fact drawn from them is sent."""

    def __init__(self, speaker: Speaker, received: Received, outbox: Outbox, may_speak: Callable[[], bool]) -> None:
        self._speaker, self._received, self._outbox, self._may_speak = speaker, received, outbox, may_speak
        self._pending: list[asyncio.Future[Stored]] = []
        self._paid: list[asyncio.Future[Stored]] = []  # those of them that carry paid results
        self.carried: set[str] = set()  # keys of the paid results that were told

    async def tell(self, event: Event) -> None:
        """Sends an event. Its delivery is awaited by `flush`, or before the first fact that is drawn from it."""
        if not (keys := event.paid_keys()) and self._paid:
            paid, self._paid = self._paid, []
            await asyncio.gather(*paid)
        sent = self._send(event, self._id(event), self._run(event))
        if keys:
            self._paid.append(sent)
            self.carried.update(keys)

    def tell_spend(self, spend: Spend) -> None:
        """Sends the usage of a paid call, which is named by the call, whoever sends it."""
        received = self._received.event
        event = bought(self._speaker.key.function, received.subject(), received.owner(), spend)
        self._send(event, spend_id(spend.token), self._speaker.run_id)

    async def flush(self) -> None:
        """Waits until all that was sent is on the log.

        Raises:
            TooLarge, DeliveryFailed: a record was refused.
        """
        pending, self._pending, self._paid = self._pending, [], []
        if pending:
            await asyncio.gather(*pending)

    def _send(self, event: Event, id: str, run_id: str) -> asyncio.Future[Stored]:
        if not self._may_speak():
            raise Fenced
        envelope = self._speaker.envelope(event, id, run_id)
        record = Codec.write(event, envelope)
        sent = self._outbox.send(record.topic, record.key, record.value, marked(record.headers))
        self._pending.append(sent)
        return sent

    def _id(self, event: Event) -> str:
        key = self._speaker.key
        return event_id(key.input_id, key.function, key.fingerprint, event.name, event.part())

    def _run(self, event: Event) -> str:
        if not isinstance(event, Command):
            return self._speaker.run_id
        return emitted_run(self._speaker.run_id, self._received.id, event.owner() or "", event.subject())


def retried(received: Received, function: str, attempt: int, retry_at: datetime, problem: Problem) -> FunctionRetried:
    return FunctionRetried(
        video_id=getattr(received.event, "video_id", None),
        creator_id=received.event.owner(),
        function=function,
        attempt=attempt,
        retry_at=retry_at,
        error=_error(problem),
    )


def failed(received: Received, function: str, attempts: int, problem: Problem) -> FunctionFailed:
    record = received.record
    whole = len(record.value or b"") <= LARGEST_VALUE
    return FunctionFailed(
        video_id=getattr(received.event, "video_id", None),
        creator_id=received.event.owner(),
        function=function,
        attempts=attempts,
        error=_error(problem),
        event=FailedEvent(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value if whole else None,
        ),
    )


def bought(function: str, video_id: str, creator_id: str | None, spend: Spend) -> UsageRecorded:
    """Usage of one paid call."""
    return UsageRecorded(
        video_id=video_id,
        creator_id=creator_id,
        function=function,
        usage=spend.usage,
        quantity=spend.quantity,
        model=spend.model,
        cost_micro_usd=spend.cost_micro_usd,
        memoized=False,
        keys=list(spend.keys),
        token=spend.token,
    )


def result_kept(key: str, result: Result, function: str, video_id: str, creator_id: str | None) -> ResultKept:
    """A paid result by itself."""
    return ResultKept(
        video_id=video_id,
        creator_id=creator_id,
        function=function,
        paid_key=key,
        result=result.result,
        quantity=result.quantity,
        cost_micro_usd=result.cost_micro_usd,
    )


def reused(received: Received, function: str, totals: Iterable[tuple[str, str, float, int]]) -> list[UsageRecorded]:
    """Usage that was remembered and not paid again: (usage, model, quantity, saved millionths of a dollar)."""
    return [
        UsageRecorded(
            video_id=received.event.subject(),
            creator_id=received.event.owner(),
            function=function,
            usage=usage,
            quantity=quantity,
            model=model,
            cost_micro_usd=saved,
            memoized=True,
        )
        for usage, model, quantity, saved in totals
    ]


def _error(problem: Problem) -> Error:
    return Error(type=problem.type, message=problem.message, retryable=problem.retryable)
