"""The first page: what the last hour did, what is under way, what failed, and what today has cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from chronos.api import looking
from chronos.api.resources import Has, Reading
from chronos.api.system_forms import FunctionState, Load, Minute
from chronos.cli.errors import explain
from chronos.console.charts import Chart, bars
from chronos.console.rendering import page
from chronos.console.sessions import PageRoute
from streams.kafka import BrokerAway

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MINUTES = 60
SHOWN = 30  # creators, those with most under way


@dataclass(frozen=True)
class Ended:
    """Runs that ended in a minute, or in several."""

    minute: datetime
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    def __add__(self, other: Ended) -> Ended:
        return Ended(
            self.minute,
            self.completed + other.completed,
            self.failed + other.failed,
            self.cancelled + other.cancelled,
        )


@router.get("/")
async def home(request: Request, has: Has, key: Reading) -> Response:
    """How the whole system does. Who may see one creator's videos alone goes to those."""
    if key.creator is not None:
        return RedirectResponse("/videos")
    now = datetime.now(UTC)
    seen, (functions, trouble) = await asyncio.gather(looking.overview(has, key), _functions(has, key))
    hour = by_minute(seen.throughput, now)
    creators = by_creator(seen.load)
    charts = {one.name: _chart(by_minute(_of(seen.throughput, one.name), now)) for one in functions}
    return page(
        request, "overview.html", seen=seen, functions=functions, trouble=trouble, hour=hour,
        sums=sum(hour, Ended(now)), chart=_chart(hour), charts=charts, creators=creators[:SHOWN],
        hidden=len(creators) - SHOWN,
    )  # fmt: skip


async def _functions(has: Has, key: Reading) -> tuple[list[FunctionState], str]:
    """With their lag, or why nobody knows it: what the tables say is shown all the same."""
    try:
        return (await looking.functions(has, key)).functions, ""
    except BrokerAway as error:
        return [], explain(error)


def by_minute(ended: Iterable[Minute], now: datetime) -> list[Ended]:
    """Each minute of the last hour, also those in which nothing ended; the last one is not over yet."""
    last = now.replace(second=0, microsecond=0)
    minutes = {at: Ended(at) for n in reversed(range(MINUTES)) if (at := last - timedelta(minutes=n))}
    for one in ended:
        if one.minute in minutes:
            minutes[one.minute] += Ended(one.minute, one.completed, one.failed, one.cancelled)
    return list(minutes.values())


def _of(ended: Iterable[Minute], function: str) -> list[Minute]:
    return [one for one in ended if one.function == function]


def by_creator(load: Iterable[Load]) -> list[tuple[str | None, int, int]]:
    """What runs and what waits, over all functions; who has most comes first."""
    found: dict[str | None, tuple[int, int]] = {}
    for one in load:
        running, waiting = found.get(one.creator_id, (0, 0))
        found[one.creator_id] = (running + one.running, waiting + one.waiting)
    return sorted(((creator, *counts) for creator, counts in found.items()), key=lambda row: -row[1] - row[2])


def _chart(minutes: Sequence[Ended]) -> Chart:
    return bars({word: [getattr(one, word) for one in minutes] for word in ("completed", "failed", "cancelled")})
