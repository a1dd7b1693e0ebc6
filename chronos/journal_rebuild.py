"""chronos journal rebuild: what was paid for, chosen or deleted, and which runs are over, from the facts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from pydantic import TypeAdapter

from agents.generate_embeddings import spaces_choice
from agents.send_webhooks import CHANNEL, delivery
from chronos import app, budgeting
from chronos.config import Settings
from schemas.batch import BatchExpanded, Chosen
from schemas.catalogue import CATALOGUE
from schemas.deletion import VideoDeleted
from schemas.embedding import ChunksEmbedded, EmbeddingsCompleted, TranscriptChunked
from schemas.event import Event
from schemas.operating import OperatorActed
from schemas.running import FunctionFailed, FunctionRetried, NotificationSent, ResultKept, RunCancelled, UsageRecorded
from schemas.transcription import SegmentTranscribed, TranscriptionCompleted
from streams import postgres
from streams.codec import Codec, Received, Undecodable
from streams.journal import prepare
from streams.reading import LogScan
from streams.record import Record
from streams.recovery import (
    Kept,
    KeptBudget,
    KeptCancel,
    KeptChoice,
    KeptDeletion,
    KeptResult,
    KeptRun,
    KeptSpend,
    Recovery,
)  # fmt: skip

ENDINGS = (TranscriptionCompleted, EmbeddingsCompleted, NotificationSent, VideoDeleted)
"""The last events of their functions."""

FACTS = tuple(name for name, event in CATALOGUE.items() if event.kind == "fact")
Progress = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)
_CHOSEN = TypeAdapter(list[Chosen])


async def rebuild(settings: Settings, progress: Progress = lambda what, share: None) -> dict[str, int]:
    """Reads all facts back; what the journal holds already stays. Gives how much of each kind it did not hold.

    Stop the workers first: a running one would not see what comes back.
    """
    pool = await postgres.connect(settings.database(), most=1)
    try:
        await prepare(pool)
        async with pool.acquire() as connection:
            recovery = Recovery(connection)
            await recovery.begin()
            await _read(settings, recovery, progress)
            progress("write", 0.95)
            found = await recovery.put_back()
    finally:
        await pool.close()
    progress("write", 1.0)
    return found


async def _read(settings: Settings, recovery: Recovery, progress: Progress) -> None:
    ids = await app.topic_ids(settings)
    codec, scan = app.codec(ids), LogScan(app.cluster(settings))
    ends = await asyncio.to_thread(scan.ends, {name: ids[name][1] for name in FACTS})
    total, done = max(1, sum(high - low for low, high in ends.values())), 0
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    batches = scan.read(until, begins)
    while (records := await asyncio.to_thread(next, batches, None)) is not None:
        await recovery.gather([one for r in _received(codec, records) for one in kept(r)])
        done += len(records)
        progress("read", 0.95 * done / total)


def _received(codec: Codec, records: Iterable[Record]) -> Iterator[Received]:
    for record in records:
        try:
            yield codec.read(record)
        except Undecodable:
            continue


def kept(received: Received) -> Iterator[Kept]:
    """What one fact says about the journal. Pure."""
    event, at = received.event, received.at
    if isinstance(event, RunCancelled):
        yield KeptCancel(event.run_id, at)
        return
    if isinstance(event, OperatorActed):
        if (said := budgeting.told(event)) is not None:
            yield KeptBudget(*said, event.acted_at)
        return
    name, _, fingerprint = received.function.partition(" ")
    if not fingerprint or not _is_uuid(received.cause_id):
        return  # no function of ours said it
    whose = (event.owner(), event.subject(), received.run_id)
    match event:
        case SegmentTranscribed():
            seconds = round(event.end_seconds - event.start_seconds, 3)
            yield KeptResult(*whose, event.paid_key, event.result.encode(), seconds, event.cost_micro_usd, at)
        case ChunksEmbedded():
            for v in event.vectors:
                yield KeptResult(*whose, v.paid_key, v.values, float(v.tokens), v.cost_micro_usd, at)
        case ResultKept():
            yield KeptResult(*whose, event.paid_key, event.result, event.quantity, event.cost_micro_usd, at)
        case UsageRecorded() if event.token and _is_uuid(event.token):
            yield _spend(received, event, name)
        case TranscriptChunked():
            place = f"{name}/{received.cause_id}/{spaces_choice(event.chunker)}"
            yield KeptChoice(place, json.dumps(event.spaces).encode())
        case VideoDeleted():
            yield KeptDeletion(event.creator_id, event.video_id, received.run_id)
        case NotificationSent() if event.channel == CHANNEL:
            yield KeptChoice(f"{name}/{received.cause_id}/{delivery(event.target)}", event.status.encode())
        case BatchExpanded():
            yield KeptChoice(f"{name}/{received.cause_id}/choose", _CHOSEN.dump_json(event.chosen))
        case _:
            pass
    yield _run(received, name, fingerprint)


def _spend(received: Received, event: UsageRecorded, function: str) -> KeptSpend:
    return KeptSpend(
        token=event.token or "",
        function=function,
        input_id=received.cause_id,
        run_id=received.run_id,
        creator_id=event.creator_id,
        video_id=event.video_id,
        usage=event.usage,
        model=event.model,
        quantity=event.quantity,
        cost_micro_usd=event.cost_micro_usd,
        keys=tuple(event.keys or ()),
        at=received.at,
    )


def _run(received: Received, function: str, fingerprint: str) -> KeptRun:
    event = received.event
    failure = event if isinstance(event, FunctionFailed) else None
    return KeptRun(
        function=function,
        fingerprint=fingerprint,
        input_id=received.cause_id,
        run_id=received.run_id,
        creator_id=event.owner(),
        video_id=event.subject(),
        first_started_at=received.sequence,
        attempts=_attempts(event),
        ending="failed" if failure else "completed" if _ends(event) else None,
        error=failure.error.model_dump_json() if failure else None,
    )


def _ends(event: Event) -> bool:
    """Whether it is the last event of its function, in the last space where there are several. Of receivers of webhooks
    others may be to follow: a run of theirs that is rewound then finds what was delivered, and sends nothing."""
    if isinstance(event, NotificationSent) and event.channel == CHANNEL:
        return False
    return isinstance(event, ENDINGS) and not (isinstance(event, EmbeddingsCompleted) and event.left)


def _attempts(event: Event) -> int:
    """Attempts that are used up when this is said. One that was only begun may be made again."""
    match event:
        case FunctionFailed():
            return event.attempts
        case FunctionRetried():
            return event.attempt
        case _:
            return 1 if _ends(event) else 0


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
