"""The page of what was used and paid, with sums by creator, model and day, and the same as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from chronos import budgeting, costs, operations
from chronos.api import budgets, usage
from chronos.api.problems import Refused
from chronos.api.resources import Has, Operating, Reading
from chronos.console.asked import OrEmpty
from chronos.console.charts import Chart, bars
from chronos.console.rendering import page
from chronos.console.sessions import FORM, PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)

DAYS = 30  # that are shown where nobody says which
SHOWN = 100  # rows of a table; the rest is in the CSV


class Asked(usage.Wished):
    """Of which usage. A day that is not named is the usual one; one that was left empty is none."""

    creator: OrEmpty[usage.Text] = None
    model: OrEmpty[usage.Text] = None
    since: OrEmpty[date] = None
    before: OrEmpty[date] = None
    video: OrEmpty[usage.Text] = None

    def wished(self) -> usage.Wished:
        usual = datetime.now(UTC).date() - timedelta(days=DAYS - 1)
        since = self.since if "since" in self.model_fields_set else usual
        asked = {"creator": self.creator, "model": self.model, "video": self.video}
        return usage.Wished(**asked, since=since, before=self.before)


Wish = Annotated[Asked, Query()]


@router.get("/usage")
async def sums(request: Request, has: Has, key: Reading, asked: Wish) -> Response:
    """What was paid and what was saved."""
    wished = asked.wished()
    found = await usage.sums(has, key, wished)
    days, limits = daily(found.days), await budgets.budgets(has, key)
    return page(
        request, "usage.html", found=found, wished=wished, shown=SHOWN, days=days, chart=chart(days),
        budgets=limits.budgets,
    )  # fmt: skip


@router.post("/usage/budget", dependencies=[FORM])
async def budget(request: Request, has: Has, by: Operating) -> Response:
    """Sets a budget; takes it away by a button of its own: a form that was sent empty must not lift everybody's."""
    form = await request.form()
    creator, dollars = (str(form.get(name) or "").strip() for name in ("creator", "dollars"))
    if len(creator) > 200 or "\0" in creator:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "no creator has such an id")
    reason = str(form.get("reason") or "").strip()[:1000] or None
    with operations.acting(by):
        if "drop" in form:
            await budgeting.drop(has.settings, has.pool, creator, reason)
        else:
            await budgeting.put(has.settings, has.pool, creator, budgeting.amount(dollars), reason)
    return RedirectResponse("/usage#budgets", HTTPStatus.SEE_OTHER)


@router.get("/usage.csv")
async def download(has: Has, key: Reading, asked: Wish) -> Response:
    """All rows behind the sums."""
    wished = asked.wished()
    rows = await costs.rows(has.pool, usage.wish(key, wished))
    name = "-".join(str(word) for word in ("chronos-usage", wished.since, wished.before) if word)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(costs.as_csv(rows), media_type="text/csv", headers=headers)


def daily(days: Sequence[usage.DaySum]) -> list[usage.DaySum]:
    """From the first day to the last, those without usage too: a chart of them would lie otherwise."""
    known = {one.day: one for one in days}
    first, last = min(known, default=None), max(known, default=None)
    if first is None or last is None:
        return []
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [known.get(day) or usage.DaySum(day=day, paid_micro_usd=0, saved_micro_usd=0) for day in every]


def chart(days: Sequence[usage.DaySum]) -> Chart:
    return bars({"paid": [one.paid_micro_usd for one in days], "saved": [one.saved_micro_usd for one in days]})
