"""Budgets, as `chronos budget`, the API and the console have them: what they are, and setting one."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from chronos import operations
from chronos.config import Settings
from schemas.operating import OperatorActed
from streams.budgets import EVERYBODY, Budget, Budgets
from streams.postgres import Pool

ACT = "budget"
LARGEST = 1_000_000_000_000  # millionths of a dollar: a million a day


class BadBudget(ValueError):
    """It is no amount of money that a day may cost."""


def amount(text: str) -> int | None:
    """Dollars as people write them, in millionths; None for `none`, without limit.

    Raises:
        BadBudget.
    """
    if text.strip().lower() == "none":
        return None
    try:
        micro_usd = Decimal(text.strip().removeprefix("$")) * 1_000_000
        whole = int(micro_usd)
    except (InvalidOperation, ValueError, OverflowError):
        raise BadBudget(f"{text!r} is no amount: give dollars a day, such as 5 or 0.50, or none for no limit") from None
    if not 0 <= micro_usd <= LARGEST or whole != micro_usd:
        raise BadBudget(f"{text!r} is no budget: from 0 to 1,000,000 dollars a day, to the millionth")
    return whole


async def put(settings: Settings, pool: Pool, creator: str, micro_usd: int | None, reason: str | None) -> Budget:
    """Sets a budget, everybody's where the creator is empty: from the next call on. What it held goes on where there is
    room now. The log hears of it first, since the journal can be rebuilt from there."""
    await operations.tell(settings, ACT, creator or "everybody", reason, _plan(creator, micro_usd), {})
    await Budgets(pool).put(creator, micro_usd)
    return await of(pool, creator)


async def drop(settings: Settings, pool: Pool, creator: str, reason: str | None) -> Budget:
    """Takes a creator's own budget away: everybody's counts for him again."""
    await operations.tell(settings, ACT, creator or "everybody", reason, {"creatorId": creator, "dropped": True}, {})
    await Budgets(pool).drop(creator)
    return await of(pool, creator)


async def of(pool: Pool, creator: str) -> Budget:
    """What counts for a creator now."""
    return next(iter(await Budgets(pool).all(creator)))


async def held(pool: Pool) -> str:
    """Who is held by a budget, in words; empty: nobody is."""
    names = [one.creator_id for one in await Budgets(pool).all() if one.held]
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"held by their budgets: {some}" if names else ""


def told(act: OperatorActed) -> tuple[str, int | None, bool] | None:
    """What an act says of budgets: whose, how much, whether it was dropped. None: nothing, or what a stranger
    wrote, whose plan is none of ours."""
    if act.act != ACT:
        return None
    try:
        plan = _Told.model_validate_json(act.plan)
    except ValidationError:
        return None
    return plan.creator_id, plan.micro_usd, plan.dropped


class _Told(BaseModel):
    """The plan of an act, as `put` and `drop` tell it."""

    creator_id: str = Field(alias="creatorId")
    micro_usd: int | None = Field(default=None, alias="microUsd", ge=0, le=LARGEST)
    dropped: bool = False


def _plan(creator: str, micro_usd: int | None) -> dict[str, Any]:
    return {"creatorId": creator, "microUsd": micro_usd}


def to_json(budget: Budget) -> dict[str, Any]:
    """In the form that `budget list --json` keeps. A budget that counts for a creator may be everybody's."""
    return {
        "creatorId": budget.creator_id or None,
        "own": budget.own,
        "microUsd": budget.micro_usd,
        "spentMicroUsd": None if budget.creator_id == EVERYBODY else budget.spent,
        "inAirMicroUsd": None if budget.creator_id == EVERYBODY else budget.in_air,
        "held": list(budget.held),
        "since": budget.since.isoformat() if budget.since else None,
        "needsMicroUsd": budget.needs,
    }
