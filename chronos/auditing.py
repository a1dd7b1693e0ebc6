"""The bill against the log: every paid call has its usage there, every result a fact that carries it, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.embedding import EmbeddingsCompleted
from schemas.event import Event
from schemas.running import FunctionFailed, RunCancelled, UsageRecorded
from schemas.transcription import TranscriptionCompleted
from streams.codec import Received
from streams.postgres import Connection, load_queries

SQL = load_queries("projections.sql", "audit.sql")

ENDINGS: tuple[type[Event], ...] = (TranscriptionCompleted, EmbeddingsCompleted, FunctionFailed)  # of who pays

KEPT = ("keep_spends", "keep_results")
"""Copies of the journal, to be made in one snapshot with the checkpoints and before the log's ends are read: what the
journal calls told by then is on the log below those."""

FINDINGS = {
    "usage_unexplained": "usageUnexplained",
    "usage_twice": "usageUnexplained",
    "usage_missing": "usageMissing",
    "results_uncarried": "resultsUncarried",
}
"""Queries that find differences, by the kind of difference."""


@dataclass
class Notes:
    """What some facts say about money, as rows of the tables of that name."""

    noted_results: list[tuple[str]] = field(default_factory=list)
    noted_calls: list[tuple[object, ...]] = field(default_factory=list)
    noted_endings: list[tuple[str, str, datetime]] = field(default_factory=list)


def notes(received: Iterable[Received]) -> Notes:
    """Pure."""
    found = Notes()
    for one in received:
        event = one.event
        found.noted_results += [(key,) for key in event.paid_keys()]
        if isinstance(event, UsageRecorded) and not event.memoized:
            found.noted_calls.append(_call(one, event))
        if isinstance(event, ENDINGS):
            found.noted_endings.append((one.function.partition(" ")[0], one.cause_id, one.at))
        if isinstance(event, RunCancelled):
            found.noted_endings.append(("", event.run_id, one.at))
    return found


def _call(one: Received, event: UsageRecorded) -> tuple[object, ...]:
    who = (event.function, event.creator_id, event.video_id)
    return (one.id, event.token, *who, event.model, event.quantity, event.cost_micro_usd)


async def write_down(connection: Connection, received: Sequence[Received]) -> None:
    """Adds what these facts say to the notes. What is written down twice counts once."""
    for table, rows in vars(notes(received)).items():
        if rows:
            await connection.copy_records_to_table(table, records=rows)


async def sort_out(connection: Connection, grace: float) -> None:
    """Puts log and journal side by side, once the log was read to its end.

    Args:
        grace: seconds within which the sweep tells of a call that came late.
    """
    await connection.execute(SQL["sort_out"].replace("grace_seconds", repr(float(grace))))


async def going_on(connection: Connection) -> dict[str, int]:
    """What is not on the log and is no difference: it belongs to runs that are not over, or came too late for one."""
    (row,) = await connection.fetch(SQL["going_on"])
    return {"spends": row["spends"], "results": row["results"], "lateResults": row["late_results"]}
