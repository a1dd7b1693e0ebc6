"""What creators' videos may cost a day, over HTTP: as `chronos budget`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from chronos import budgeting, operations
from chronos.api.forms import Form
from chronos.api.problems import RESPONSES
from chronos.api.reading import Creator, Name
from chronos.api.resources import Has, Operating, Reading, whose
from chronos.api.wishes import SEEN, Wish
from streams.budgets import EVERYBODY, Budgets
from streams.budgets import Budget as Known

router = APIRouter(prefix="/v1", tags=["usage"], responses=RESPONSES)

Why = Annotated[str | None, Query(max_length=1000, pattern=SEEN, description="Why: it goes on the log.")]


class Budget(Form):
    creator_id: str | None = Field(description="None: of everybody who has none of his own.")
    own: bool = Field(description="Set for this creator; else everybody's counts for him.")
    micro_usd: int | None = Field(description="A day (UTC), in millionths of a dollar; none: no limit.")
    spent_micro_usd: int | None = Field(description="Today; of one creator.")
    in_air_micro_usd: int | None = Field(description="What calls that are under way will cost.")
    held: list[str] = Field(description="Functions that begin nothing of this creator's until there is room.")
    since: datetime | None
    needs_micro_usd: int | None = Field(description="What the call would cost that did not fit.")


class Budgeted(Form):
    budgets: list[Budget]


class Limit(Wish):
    micro_usd: int | None = Field(strict=True, ge=0, le=budgeting.LARGEST, description="A day; null: no limit.")


@router.get("/budgets")
async def budgets(has: Has, key: Reading, creator: Creator = None) -> Budgeted:
    """The budgets that are set, and who is held by one; of one creator, what counts for him."""
    return Budgeted(budgets=[_form(one) for one in await Budgets(has.pool).all(whose(key, creator))])


@router.put("/budgets")
async def limit_everybody(has: Has, by: Operating, limit: Limit) -> Budget:
    """What counts for each creator who has no budget of his own."""
    with operations.acting(by):
        return _form(await budgeting.put(has.settings, has.pool, EVERYBODY, limit.micro_usd, limit.reason))


@router.put("/budgets/{creator}")
async def limit_one(has: Has, by: Operating, creator: Name, limit: Limit) -> Budget:
    """Sets a creator's budget: it holds from the next call on, and what it held goes on where there is room."""
    with operations.acting(by):
        return _form(await budgeting.put(has.settings, has.pool, creator, limit.micro_usd, limit.reason))


@router.delete("/budgets")
async def drop_everybodys(has: Has, by: Operating, reason: Why = None) -> Budget:
    """Nobody has a limit any more, but by a budget of his own."""
    with operations.acting(by):
        return _form(await budgeting.drop(has.settings, has.pool, EVERYBODY, reason))


@router.delete("/budgets/{creator}")
async def drop_one(has: Has, by: Operating, creator: Name, reason: Why = None) -> Budget:
    """Everybody's budget counts for this creator again."""
    with operations.acting(by):
        return _form(await budgeting.drop(has.settings, has.pool, creator, reason))


def _form(budget: Known) -> Budget:
    return Budget.model_validate(budgeting.to_json(budget))
