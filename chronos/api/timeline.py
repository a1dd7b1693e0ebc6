"""A run drawn as a timeline, from what the journal keeps and the log holds. Pure. What nobody measured is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chronos.api.forms import Trouble
from chronos.api.system_forms import Entry, LogEvent, Stage
from chronos.api.trails import Trail, trail
from chronos.browsing import Seen
from schemas.running import Error, FunctionFailed, FunctionRetried, UsageRecorded
from streams.redaction import redact

Stored = Mapping[str, Any]  # a row of the journal
Said = tuple[Seen, LogEvent]

UNITS = {"audioSeconds": "seconds of audio", "inputTokens": "tokens"}


@dataclass(frozen=True)
class Drawn:
    stages: list[Stage]
    others: list[LogEvent]  # no stage said them


def draw(
    stages: Sequence[Stored], spends: Sequence[Stored], said: Sequence[Said], trails: Sequence[Stored] = ()
) -> Drawn:
    """The stages in the order in which they began, each with what happened in it."""
    by_id = {shown.event_id: shown for _, shown in said}
    names = {_name(stage) for stage in stages}
    drawn = [
        _stage(
            stage,
            by_id.get(str(stage["input_id"])),
            [spend for spend in spends if _input(spend) == _input(stage)],
            [one for one in said if _speaker(one) == _name(stage)],
            [trail(one) for one in trails if _name(one) == _name(stage)],
        )
        for stage in stages
    ]
    return Drawn(drawn, [shown for one, shown in said if _speaker((one, shown)) not in names])


def _input(row: Stored) -> tuple[str, str]:
    return row["function"], str(row["input_id"])


def _name(stage: Stored) -> tuple[str, str]:
    """As an event says who said it: function and version, and the event that it answers."""
    return f"{stage['function']} {stage['fingerprint']}", str(stage["input_id"])


def _speaker(said: Said) -> tuple[str, str]:
    received = said[0].received
    return (received.function, received.cause_id) if received else ("", "")


def _stage(
    stage: Stored, given: LogEvent | None, spends: Sequence[Stored], said: Sequence[Said], trails: list[Trail]
) -> Stage:
    entries = [Entry(at=stage["began_at"], what="began", name=stage["function"])]
    entries += [_paid(spend) for spend in spends]
    entries += [entry for one in said if (entry := _entry(*one)) is not None]
    if stage["ended_at"] is not None:
        entries.append(Entry(at=stage["ended_at"], what="ended", name=stage["ending"], error=_trouble(stage["error"])))
    return Stage(
        function=stage["function"],
        fingerprint=stage["fingerprint"],
        state=stage["ending"] or ("running" if stage["leased"] else "waiting"),
        attempts=stage["attempts"],
        crashes=stage["crashes"],
        waited_seconds=_between(given, stage["first_began_at"]),
        began_at=stage["began_at"],
        ended_at=stage["ended_at"],
        seconds=stage["seconds"],
        next_attempt_at=stage["next_attempt_at"],
        errors=[entry.error for entry in entries if entry.error is not None and entry.what != "ended"]
        or _only(_trouble(stage["error"])),
        input=given,
        entries=sorted(entries, key=lambda entry: entry.at),
        trails=trails,
    )


def _between(given: LogEvent | None, began: datetime) -> float | None:
    return max(0.0, (began - given.at).total_seconds()) if given else None


def _only(trouble: Trouble | None) -> list[Trouble]:
    return [trouble] if trouble else []


def _paid(spend: Stored) -> Entry:
    return Entry(
        at=spend["spent_at"],
        what="paid",
        name=spend["model"],
        quantity=spend["quantity"],
        unit=UNITS.get(spend["usage"], spend["usage"]),
        cost_micro_usd=spend["cost_micro_usd"],
    )


def _entry(seen: Seen, shown: LogEvent) -> Entry | None:
    """Nothing of a paid call's usage: the journal has that call, with the time of its answer."""
    match seen.received.event if seen.received else None:
        case UsageRecorded(memoized=False):
            return None
        case UsageRecorded() as usage:
            return Entry(
                at=shown.at,
                what="remembered",
                name=usage.model,
                quantity=usage.quantity,
                unit=UNITS[usage.usage],
                cost_micro_usd=usage.cost_micro_usd,
                event=shown,
            )
        case FunctionRetried(error=error, attempt=attempt, retry_at=retry_at):
            named = {"attempt": attempt, "retry_at": retry_at, "error": _said(error)}
            return Entry(at=shown.at, what="retried", name=shown.topic, event=shown, **named)
        case FunctionFailed(error=error, attempts=attempts):
            return Entry(
                at=shown.at, what="failed", name=shown.topic, attempt=attempts, error=_said(error), event=shown
            )
        case _:
            return Entry(at=shown.at, what="said", name=shown.topic, event=shown)


def _said(error: Error) -> Trouble:
    return Trouble(type=error.type, message=redact(error.message), retryable=error.retryable)


def _trouble(stored: str | None) -> Trouble | None:
    return Trouble.model_validate(json.loads(stored)) if stored else None
