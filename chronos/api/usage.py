"""What was used and paid, over HTTP: row by row, and summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field

from chronos import costs
from chronos.api.forms import DayUsed, Form, Usage
from chronos.api.problems import RESPONSES
from chronos.api.resources import Has, Reading, whose
from chronos.api.wishes import SEEN
from streams.postgres import Row

router = APIRouter(prefix="/v1", responses=RESPONSES, tags=["usage"])


def _day(given: date | str) -> date:
    """A number is none, 0 for 1970 as little as another."""
    return given if isinstance(given, date) else date.fromisoformat(given)


Day = Annotated[date, BeforeValidator(_day, json_schema_input_type=date)]

Text = Annotated[str, Field(max_length=200, pattern=SEEN)]


class Sum(Form):
    paid_micro_usd: int
    saved_micro_usd: int = Field(description="What was remembered instead of paid.")


class CreatorSum(Sum):
    creator_id: str | None


class ModelSum(Sum):
    model: str | None
    kind: str
    bought: float
    remembered: float


class FunctionSum(Sum):
    function: str | None


class DaySum(Sum):
    day: date


class Sums(Form):
    total: Sum
    creators: list[CreatorSum]
    models: list[ModelSum]
    functions: list[FunctionSum]
    days: list[DaySum]


class Wished(Form):
    """Of which usage."""

    creator: Text | None = Field(default=None, description="Only this creator's.")
    model: Text | None = None
    since: Day | None = None
    before: Day | None = None
    video: Text | None = Field(default=None, description="Only of videos of this id.")


Wish = Annotated[Wished, Query()]


@router.get("/usage")
async def usage(has: Has, key: Reading, wished: Wish) -> Usage:
    """What was used and paid, by creator, function, model and day (UTC)."""
    found = await costs.rows(has.pool, wish(key, wished))
    return Usage(usage=[DayUsed.of(row) for row in found])


@router.get("/usage/sums")
async def sums(has: Has, key: Reading, wished: Wish) -> Sums:
    """The same, summed up: in all, by creator, by model, by function, and by day (UTC)."""
    return summed(await costs.sums(has.pool, wish(key, wished)))


def summed(parts: Mapping[str, Sequence[Row]]) -> Sums:
    return Sums(
        total=Sum.of(parts["total"][0]),
        creators=[CreatorSum.of(row) for row in parts["creators"]],
        models=[ModelSum.of(row) for row in parts["models"]],
        functions=[FunctionSum.of(row) for row in parts["functions"]],
        days=[DaySum.of(row) for row in parts["days"]],
    )


def wish(key: Reading, wished: Wished) -> costs.Wish:
    """What is wished for, as far as the key shows it."""
    return costs.Wish(whose(key, wished.creator), wished.model, wished.since, wished.before, wished.video)
