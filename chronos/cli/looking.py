"""Commands that look: `events`, at what stands on the log, and `usage`, at what was used and paid."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli import budgets
from chronos.cli.state import Json, State, WrongUse, dollars, err, out, print_json

if TYPE_CHECKING:
    from chronos import browsing, costs
    from chronos.api.system_forms import LogEvent
    from chronos.api.usage import Sums

PANEL = "The log"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(events)
    app.command(rich_help_panel="Operating")(usage)
    app.command(rich_help_panel="Operating")(prices)
    app.add_typer(budgets.group(), name="budget", rich_help_panel="Operating")


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="A day, UTC: 2026-11-24.")]


def events(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="Topic, e.g. transcription.completed.")],
    partition: Annotated[int | None, typer.Option(min=0)] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="From here on, in one partition.")] = None,
    video: Annotated[str | None, typer.Option(help="Only of this video.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: Json = False,
) -> None:
    """Events of a topic, decoded: the newest first, or from an offset on."""
    from chronos import browsing

    if offset is not None and partition is None:
        raise WrongUse("--offset is of one partition: name it with --partition")
    state: State = ctx.obj
    found = asyncio.run(_seen(state, browsing.Wish(topic, partition, offset, video, limit)))
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        _show_events(found)


async def _seen(state: State, wish: browsing.Wish) -> list[LogEvent]:
    from chronos import browsing
    from chronos.api.logs import shown

    return shown((await browsing.page(state.settings(), wish)).seen)


def _show_events(found: list[LogEvent]) -> None:
    from rich.table import Table
    from rich.text import Text

    from chronos.cli.words import clean

    table = Table("place", "at", "said by", "what it says", box=None, header_style="bold")
    for one in found:
        said = one.problem if one.payload is None else json.dumps(one.payload, ensure_ascii=False, default=str)
        at = one.at.isoformat(timespec="seconds").replace("+00:00", "Z")
        table.add_row(f"{one.partition}/{one.offset}", at, one.function or "–", Text(clean(said or "")))
    out().print(table if found else "no such events")


def usage(
    ctx: typer.Context,
    creator: Annotated[str | None, typer.Option(help="Only this creator's.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    since: Day = None,
    before: Day = None,
    video: Annotated[str | None, typer.Option(help="Only of videos of this id.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="All rows, for a spreadsheet.")] = False,
    as_json: Json = False,
) -> None:
    """What was used and paid, summed up by model, function and creator, and what remembering has saved."""
    from chronos import costs

    first, last = (None if day is None else day.date() for day in (since, before))
    wish = costs.Wish(creator, model, first, last, video)
    if as_csv:
        asyncio.run(_write_csv(ctx.obj, wish))
        return
    found = asyncio.run(_sums(ctx.obj, wish))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_sums(found)
        _say_unpriced(ctx.obj, found)


async def _write_csv(state: State, wish: costs.Wish) -> None:
    from chronos import costs
    from chronos.app import projection_pool

    async with projection_pool(state.settings()) as pool:
        for line in costs.as_csv(await costs.rows(pool, wish)):
            sys.stdout.write(line)


async def _sums(state: State, wish: costs.Wish) -> Sums:
    from chronos import costs
    from chronos.api.usage import summed
    from chronos.app import projection_pool

    async with projection_pool(state.settings()) as pool:
        return summed(await costs.sums(pool, wish))


def _show_sums(found: Sums) -> None:
    from rich.table import Table
    from rich.text import Text

    by_model = Table("model", "unit", "bought", "remembered", "paid", "saved", box=None, header_style="bold")
    for model in found.models:
        counts = (f"{model.bought:,.0f}", f"{model.remembered:,.0f}")
        money = (dollars(model.paid_micro_usd), dollars(model.saved_micro_usd))
        by_model.add_row(Text(model.model or "–"), model.kind, *counts, *money)
    by_function = Table("function", "paid", "saved", box=None, header_style="bold")
    for one in found.functions:
        by_function.add_row(Text(one.function or "–"), dollars(one.paid_micro_usd), dollars(one.saved_micro_usd))
    by_creator = Table("creator", "paid", "saved", box=None, header_style="bold")
    for creator in found.creators:
        money = (dollars(creator.paid_micro_usd), dollars(creator.saved_micro_usd))
        by_creator.add_row(Text(creator.creator_id or "–"), *money)
    out().print(by_model, by_function, by_creator, sep="\n")
    total = found.total
    out().print(f"{dollars(total.paid_micro_usd)} paid, {dollars(total.saved_micro_usd)} saved by remembering")


def _say_unpriced(state: State, found: Sums) -> None:
    """A sum that leaves something out says so."""
    from chronos import prices

    free = {model.model for model in found.models if model.model and model.bought and not model.paid_micro_usd}
    if said := prices.remedy_for_unknown(prices.unknown(state.settings(), sorted(free))):
        err().print(said, soft_wrap=True)


def prices(ctx: typer.Context, as_json: Json = False) -> None:
    """What models cost here, where and when that was read, and which of them end."""
    from rich.table import Table

    from chronos.prices import in_force

    state: State = ctx.obj
    found = in_force(state.settings())
    if as_json:
        print_json([price.to_json() for price in found])
        return
    table = Table("model", "for a", "price", "ends", "read", "source", box=None, header_style="bold")
    for price in found:
        read, ends = (str(day or "") for day in (price.read_on, price.ends))
        table.add_row(price.model, price.unit, f"${price.micro_usd / 1e6:g}", ends, read, price.source)
    out().print(table)
