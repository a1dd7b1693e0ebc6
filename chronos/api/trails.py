"""The trail of an attempt as people get it: with times of day, and what was left out because it is nothing. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from chronos.api.forms import Form

Stored = Mapping[str, Any]  # a row of the journal, or a part of its trail


class Step(Form):
    """An effect of an attempt."""

    number: int
    name: str
    kind: str = Field(description="Its name without what is particular to one of many.")
    at: datetime
    seconds: float | None = Field(description="Null while it goes on, or where its worker died in it.")
    error: str | None = Field(description="The type of what it raised.")
    bought: int = Field(description="Results that it paid for.")
    remembered: int = Field(description="Results that were bought before.")


class Steps(Form):
    """Steps of one kind, summed up."""

    kind: str
    count: int
    failed: int
    seconds: float = Field(description="Of all of them, those at once included.")
    longest: float


class Line(Form):
    """What the log said in an attempt."""

    at: datetime
    level: str
    event: str
    step: str | None = Field(description="In which it was said, if in one.")
    number: int | None = Field(description="Of that step.")
    named: dict[str, str]


class Trail(Form):
    """What one attempt did, as it was last written down: at its end, and every 20 s until then."""

    attempt: int
    crashes: int = Field(description="Workers that had died over the run before.")
    began_at: datetime
    seconds: float = Field(description="That it had been at work by then.")
    steps: list[Step]
    beyond: list[Steps] = Field(description="Steps that are not told one by one, by kind.")
    lines: list[Line]
    left_out: int = Field(description="Lines between the first and the last that are not kept.")


def trail(row: Stored) -> Trail:
    told, began = json.loads(row["trail"]), row["begun_at"]
    steps = [_step(number, one, began) for number, one in enumerate(told["steps"], 1)]
    return Trail(
        attempt=row["attempt"],
        crashes=row["crashes"],
        began_at=began,
        seconds=row["seconds"],
        steps=steps,
        beyond=[Steps.model_validate(one) for one in told.get("beyond", [])],
        lines=[_line(one, began) for one in told.get("lines", [])],
        left_out=told.get("left_out", 0),
    )


def _step(number: int, told: Stored, began: datetime) -> Step:
    rest = {"kind": told["name"], "error": None, "bought": 0, "remembered": 0, **told}
    return Step.model_validate({**rest, "number": number, "at": began + timedelta(seconds=told["at"])})


def _line(told: Stored, began: datetime) -> Line:
    rest = {"step": None, "number": None, "named": {}, **told}
    return Line.model_validate({**rest, "at": began + timedelta(seconds=told["at"])})
