"""`chronos budget`: what a creator's videos may cost a day."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli.state import Json, State, WrongUse, dollars, out, print_json
from chronos.cli.words import plain

if TYPE_CHECKING:
    from rich.table import Table

    from streams.budgets import Budget

EXAMPLES = """Examples:

chronos budget set ada 5               at most 5 dollars a day (UTC) for ada's videos

chronos budget set --everybody 1       of each creator who has no budget of his own

chronos budget set ada none            no limit for ada, whatever everybody's is

chronos budget list                    what is spent, and who is held"""

Creator = Annotated[str | None, typer.Argument(metavar="CREATOR", help="Whose.")]
Everybody = Annotated[bool, typer.Option("--everybody", help="Of each creator who has none of his own.")]
Reason = Annotated[str | None, typer.Option(help="Why: it goes on the log.")]


def group() -> typer.Typer:
    app = typer.Typer(help="What a creator's videos may cost a day.", no_args_is_help=True)
    app.command("set", epilog=EXAMPLES)(set_)
    app.command("drop", epilog="Example: chronos budget drop ada")(drop)
    app.command("list", epilog="Examples: chronos budget list · chronos budget list --json")(list_)
    return app


def set_(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="CREATOR USD", help="Whose, and dollars a day, or none.")],
    everybody: Everybody = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Set a budget. It holds before each call that costs; what it holds waits, and goes on when there is room again."""
    from chronos import budgeting

    if len(words) != (1 if everybody else 2):
        raise WrongUse("say whose and how much: chronos budget set ada 5, or: chronos budget set --everybody 5")
    creator, micro_usd = "" if everybody else words[0], budgeting.amount(words[-1])
    state: State = ctx.obj

    async def work() -> Budget:
        async with state.tables() as pool:
            return await budgeting.put(state.settings(), pool, creator, micro_usd, reason)

    _show([asyncio.run(work())], as_json)


def drop(
    ctx: typer.Context,
    creator: Creator = None,
    everybody: Everybody = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Take a budget away: everybody's counts again, or none."""
    from chronos import budgeting

    if everybody == (creator is not None):
        raise WrongUse("say whose: chronos budget drop ada, or: chronos budget drop --everybody")
    state: State = ctx.obj

    async def work() -> Budget:
        async with state.tables() as pool:
            return await budgeting.drop(state.settings(), pool, creator or "", reason)

    _show([asyncio.run(work())], as_json)


def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """The budgets: what is spent of each today (UTC), and who is held."""
    from streams.budgets import Budgets

    state: State = ctx.obj

    async def ask() -> list[Budget]:
        async with state.tables() as pool:
            return await Budgets(pool).all()

    _show(asyncio.run(ask()), as_json)


def _show(found: list[Budget], as_json: bool) -> None:
    from chronos import budgeting

    if as_json:
        print_json({"budgets": [budgeting.to_json(one) for one in found]})
    else:
        out().print(_table(found) if found else "no budgets: chronos budget set CREATOR USD")


def _table(found: list[Budget]) -> Table:
    from rich.table import Table

    table = Table("creator", "a day", "spent today", "on its way", "held", box=None, header_style="bold")
    for one in found:
        limit = "no limit" if one.micro_usd is None else dollars(one.micro_usd)
        limit += "" if one.own else " (everybody's)"
        used = (dollars(one.spent), dollars(one.in_air)) if one.creator_id else ("", "")
        table.add_row(plain(one.creator_id) or "everybody else", limit, *used, ", ".join(one.held))
    return table
