"""chronos retry: what failed is asked for again, by a new command made of the record inside its function.failed.

What no command leads to (a webhook's event) is processed again where it stands."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chronos import app, operations, queries
from chronos.config import Settings
from chronos.failures import Failure, Filter, Plan, Prices, choose, cost
from chronos.pipeline import FUNCTIONS
from chronos.prices import per_million_tokens, per_minute
from chronos.sending import Sender, Sent, sender
from schemas.batch import EmbeddingsBatchReprocess
from schemas.embedding import ChunkRequested
from schemas.event import Coordinates, Event
from schemas.running import FailedEvent, FunctionFailed
from schemas.transcription import TranscriptionCompleted
from streams.chosen import Chosen
from streams.codec import Codec, Undecodable
from streams.envelope import read_headers
from streams.journal import Rewind, prepare
from streams.kafka import TooLarge, Topics
from streams.postgres import Pool, Row, load_queries
from streams.progress import Progress, TopicIds
from streams.reading import LogReader, LogScan
from streams.record import Record

SQL = load_queries("projections.sql", "questions.sql")

REASON = "retry"
BATCH = 100  # commands in the air
SEEN_WITHIN = 5.0  # seconds for the tables to hear of the new runs

Told = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)


class Gone(Exception):
    """The record of a failure cannot be had any more, or is not what failed."""


class NothingToRetry(Exception):
    """The video that was named has nothing that failed and still stands."""


@dataclass(frozen=True)
class Wish:
    """What is to be tried again: one video, or all that a filter takes."""

    chosen: Filter
    video: str | None = None
    even_over: bool = False  # also what was retried or completed since


@dataclass
class Outcome:
    """What was sent, and what was not and why."""

    sent: list[tuple[Failure, Sent]] = field(default_factory=list)
    asked: list[Failure] = field(default_factory=list)  # their events are processed again by running workers
    left: list[tuple[Failure, str]] = field(default_factory=list)
    seen: bool = True  # the tables know of all new runs: who asks again at once sends nothing twice

    def to_json(self) -> dict[str, Any]:
        return {
            "sent": [{"failureId": failure.id, **_place(sent)} for failure, sent in self.sent],
            "asked": [failure.id for failure in self.asked],
            "left": [{"failureId": failure.id, "why": why} for failure, why in self.left],
            "seen": self.seen,
        }


def _place(sent: Sent) -> dict[str, Any]:
    place = sent.place
    return {"topic": place.topic, "partition": place.partition, "offset": place.offset, "runId": sent.run_id}


def to_json(plan: Plan, done: Outcome | None) -> dict[str, Any]:
    """As `retry --json` says it."""
    nothing: dict[str, Any] = {"sent": [], "asked": [], "left": [], "seen": None}
    return {"executed": done is not None, **plan.to_json(), **(done.to_json() if done else nothing)}


def prices(settings: Settings, creator: str | None) -> Prices:
    """A model without a price costs nothing: it runs at home."""
    speech, embedding = per_minute(settings), per_million_tokens(settings)
    return Prices(speech.get(settings.speech(creator), 0), embedding.get(settings.embedding(), 0))


async def plan(settings: Settings, pool: Pool, wish: Wish) -> Plan:
    """What would be sent, and what that would cost. Nothing is.

    Raises:
        NothingToRetry; NoSuchVideo: there is none of that name, or several creators have one.
    """
    found = await failures(settings, pool, wish.chosen, video=wish.video, even_over=wish.even_over)
    if wish.video is not None:  # another creator's video of the same name must not be sent along
        known = await queries.status(pool, wish.video, wish.chosen.creator)
        if not found:
            raise NothingToRetry(f"nothing of video {wish.video!r} is to be tried again: it is {known['status']}")
    return Plan(found, [cost(failure, prices(settings, failure.creator)) for failure in found])


async def failures(
    settings: Settings, pool: Pool, chosen: Filter, *, video: str | None = None, even_over: bool = False
) -> list[Failure]:
    """What is meant, the oldest failure first."""
    await prepare(pool)  # it says what of webhooks still stands
    models = (settings.speech(), settings.embedding(), json.dumps(settings.creator_models))
    rows = await pool.fetch(SQL["failures"], even_over, video, chosen.creator, *models)
    found = [_failure(row) for row in rows]
    if not even_over and any(failure.video is None for failure in found):
        again = await asyncio.to_thread(_causes, settings, EmbeddingsBatchReprocess.name)
        found = [failure for failure in found if failure.id not in again]
    return choose(found, chosen, even_over=even_over)


def _failure(row: Row) -> Failure:
    return Failure(
        id=str(row["event_id"]),
        creator=row["creator_id"],
        video=row["video_id"],
        run=str(row["run_id"]),
        function=row["function"],
        attempts=row["attempts"],
        type=row["error_type"],
        message=row["error_message"],
        retryable=row["retryable"],
        origin=Coordinates(topic=row["topic"], partition=row["partition"], offset=row["offset"]),
        failed_at=row["failed_at"],
        standing=row["standing"],
        duration=row["duration_seconds"],
        transcript_bytes=row["transcript_bytes"],
        heard=row["heard_seconds"],
        embedded=row["embedded_tokens"],
    )


def _causes(settings: Settings, topic: str) -> set[str]:
    """Ids of the failures that commands on a topic are the answer to. No table knows a batch's runs. Blocks."""
    records = _scan(settings, topic)
    return {read_headers(record.headers).get("causationid", "") for record in records}


def _scan(settings: Settings, topic: str) -> Iterable[Record]:
    """All records of a topic, once. Blocks."""
    cluster = app.cluster(settings)
    scan = LogScan(cluster)
    count = Topics(cluster).ids([topic])[topic][1]
    ends = scan.ends({topic: count})
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    for batch in scan.read(until, begins):
        yield from batch


async def execute(
    settings: Settings,
    pool: Pool,
    planned: Plan,
    reason: str | None,
    progress: Told = lambda what, share: None,
) -> Outcome:
    """Does what a plan says, and tells of it on the log."""
    done = await _retry(settings, pool, planned.failures, progress)
    said = {"failures": [failure.id for failure in planned.failures], "costMicroUsd": planned.bill.micro_usd}
    videos = {failure.video for failure in planned.failures}
    target = next(iter(videos)) if len(videos) == 1 else None
    outcome = {"sent": len(done.sent), "asked": len(done.asked), "left": len(done.left)}
    await operations.tell(settings, "retry", target or "videos", reason, said, outcome)
    return done


async def _retry(settings: Settings, pool: Pool, chosen: Sequence[Failure], progress: Told) -> Outcome:
    """Sends a command for each failure, and waits until the tables know of the new runs. Where no command leads to
    what failed, its event is left for the function's workers to take up."""
    ids = await app.topic_ids(settings)
    codec, outcome = app.codec(ids), Outcome(asked=[failure for failure in chosen if failure.command is None])
    await _process_again(pool, ids, outcome.asked)
    chosen = [failure for failure in chosen if failure.command is not None]
    wanted = {failure.id for failure in chosen if failure.origin.topic != TranscriptionCompleted.name}
    progress("read", 0.0)
    events = await asyncio.to_thread(_failed_events, settings, codec, wanted) if wanted else {}
    async with sender(app.cluster(settings), ids, "retry") as sending:
        work = _Work(sending, codec, LogReader(app.cluster(settings)), events, outcome)
        for at in range(0, len(chosen), BATCH):
            await asyncio.gather(*(work.one(failure) for failure in chosen[at : at + BATCH]))
            progress("send", min(1.0, (at + BATCH) / len(chosen)))
    outcome.seen = await _seen(pool, [sent.run_id for failure, sent in outcome.sent if failure.video is not None])
    return outcome


async def _process_again(pool: Pool, ids: TopicIds, failures: Sequence[Failure]) -> None:
    places: dict[str, list[Coordinates]] = {}
    for failure in failures:
        places.setdefault(failure.function, []).append(failure.origin)
    for function in FUNCTIONS:
        if function.name in places:
            rewind = Rewind(await Progress(pool, ids).number())
            await Chosen(pool, ids).ask(function.group(), places[function.name], rewind)


def _failed_events(settings: Settings, codec: Codec, wanted: set[str]) -> dict[str, FailedEvent]:
    """What failed, by the id of its failure: read from the facts on the log. Blocks."""
    found = {}
    for record in _scan(settings, FunctionFailed.name):
        if read_headers(record.headers).get("id") not in wanted:
            continue
        try:
            received = codec.read(record)
        except Undecodable:
            continue
        if isinstance(received.event, FunctionFailed):
            found[received.id] = received.event.event
    return found


class _Work:
    """A command for each failure."""

    def __init__(
        self, send: Sender, codec: Codec, reader: LogReader, events: Mapping[str, FailedEvent], outcome: Outcome
    ) -> None:
        self._send, self._codec, self._reader, self._events, self._outcome = send, codec, reader, events, outcome

    async def one(self, failure: Failure) -> None:
        try:
            sent = await self._again(failure)
        except (Gone, TooLarge) as error:
            self._outcome.left.append((failure, str(error)))
        else:
            self._outcome.sent.append((failure, sent))

    async def _again(self, failure: Failure) -> Sent:
        if failure.origin.topic == TranscriptionCompleted.name:
            return await self._send.send(embed_again(failure, failure.origin), cause=failure.id)
        record, event = await self._original(failure)
        if isinstance(event, ChunkRequested):
            again = embed_again(failure, event.transcript, event.embedding_model)
            return await self._send.send(again, cause=failure.id)
        return await self._send.send_again(event, record, cause=failure.id)

    async def _original(self, failure: Failure) -> tuple[Record, Event]:
        """The record that failed: the copy in its failure, or, where that is not enough, what stands at its place.

        The copy has no headers. A record over 1 MiB, and one that cannot be read without them, is read at its place.
        """
        copy = self._events.get(failure.id)
        if copy is not None and copy.value is not None:
            at = failure.origin
            record = Record(at.topic, at.partition, at.offset, 0, copy.key, copy.value)
            if (event := self._read(record, failure)) is not None:
                return record, event
        found = await asyncio.to_thread(self._reader.at, failure.origin)
        if found is None or (event := self._read(found, failure)) is None:
            raise Gone(
                f"the record that failed is not at {failure.origin.topic}/{failure.origin.partition}"
                f"@{failure.origin.offset} any more; send it anew: chronos send {failure.command}"
            )
        return found, event

    def _read(self, record: Record, failure: Failure) -> Event | None:
        """What a record says, if it says it of the video that failed."""
        try:
            event = self._codec.read(record).event
        except Undecodable:
            return None
        same = (event.owner(), getattr(event, "video_id", None)) == (failure.creator, failure.video)
        return event if same else None


def embed_again(failure: Failure, transcript: Coordinates, model: str | None = None) -> ChunkRequested:
    """A transcript is on the log already: only what is drawn from it is asked for."""
    return ChunkRequested(
        video_id=failure.video or "",
        creator_id=failure.creator or "",
        reason=REASON,
        embedding_model=model,
        transcript=transcript,
    )


async def _seen(pool: Pool, runs: list[str]) -> bool:
    """Whether the tables hear of the new runs in time."""
    deadline = time.monotonic() + SEEN_WITHIN
    while await pool.fetchval(SQL["known_runs"], runs) < len(runs):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True
