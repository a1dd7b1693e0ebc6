"""`chronos rebuild`: the tables folded anew beside the live ones; then the switch, the way back, the end of the old."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli.state import Json, State, err, out, print_json
from chronos.cli.words import plain

if TYPE_CHECKING:
    from chronos.rebuilding import Progress, Rebuilt

PANEL = "Operating"

EXAMPLES = """Examples:

chronos rebuild                                fold the log anew beside the live tables, and show what differs

chronos rebuild --questions asked.txt          and how the first ten hits of each line in a file change

chronos rebuild switch --reason "new chunks"   then look at the new tables; chronos rebuild rollback goes back

chronos rebuild --all                          after the loss of everything but the log: journal and tables"""

Reason = Annotated[str | None, typer.Option(help="Why: it goes on the log.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, epilog=EXAMPLES)
    group.callback(epilog=EXAMPLES)(rebuild)
    group.command()(status)
    group.command()(switch)
    group.command()(rollback)
    group.command()(drop)
    app.add_typer(group, name="rebuild", rich_help_panel=PANEL)


def rebuild(
    ctx: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Journal and tables, switched to at once: the database was lost.")
    ] = False,
    questions: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file with questions to ask both sides.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="How many fold at once; one a core.")] = None,
    throttle: Annotated[float | None, typer.Option(min=1, help="Events a second at most.")] = None,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Fold the whole log anew into tables beside the live ones. Search goes on; what comes meanwhile is in both.

    Ctrl-C stops it, and the same command goes on with it. Nobody looks at the new tables before the switch.
    """
    if ctx.invoked_subcommand is not None:
        return
    from chronos import rebuilding

    state: State = ctx.obj
    asked = [line for line in questions.read_text().splitlines() if line.strip()] if questions else []
    result = asyncio.run(
        _rebuild(state, everything, lambda progress: rebuilding.rebuild(
            state.settings(), progress, processes=processes, a_second=throttle, questions=asked, reason=reason,
        ))
    )  # fmt: skip
    if as_json:
        print_json(result.to_json())
        return
    _show(result)
    if not everything:
        out().print("nobody looks at it yet: [bold]chronos rebuild switch[/] or [bold]chronos rebuild drop[/]")


async def _rebuild(state: State, everything: bool, rebuild: Callable[[Progress], Awaitable[Rebuilt]]) -> Rebuilt:
    from chronos import journal_rebuild, switching
    from chronos.cli.operating import bar

    with bar() as progress:
        if everything:
            await journal_rebuild.rebuild(state.settings(), lambda what, share: progress(f"journal: {what}", share))
        result = await rebuild(progress)
    if everything:
        await switching.switch(state.settings(), "rebuild --all")
        await switching.drop(state.settings(), "rebuild --all")
    return result


def _show(result: Rebuilt) -> None:
    from rich.table import Table

    if result.seconds:
        rate, took = result.facts / result.seconds, f"{result.seconds:.1f} s"
        out().print(f"[green]✓[/] {result.schema}: {result.facts} events in {took} ({rate:,.0f} a second)")
    else:
        out().print(f"[green]✓[/] {result.schema} was folded before, and has caught up")
    if result.index_seconds > 1:
        out().print(f"  the vector index took {result.index_seconds:.1f} s")
    differing = [one for one in result.differences if one.added or one.gone or one.changed]
    if not differing:
        out().print("  every row is as it is in the live tables")
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("table", "added", "gone", "changed"):
            table.add_column(name, justify="left" if name == "table" else "right")
        for one in differing:
            table.add_row(one.table, str(one.added), str(one.gone), str(one.changed))
        out().print(table)
    for answers in result.answers:
        out().print(f"  {answers.overlap:4.0%} of the first hits are the same: {plain(answers.question)}")


def status(ctx: typer.Context, as_json: Json = False) -> None:
    """The sides of the projection: which one is looked at, and how far the other is."""
    from chronos import switching

    state: State = ctx.obj
    found = asyncio.run(switching.status(state.settings()))
    if as_json:
        print_json(found)
        return
    for side in found["sides"]:
        mark = "looked at" if side["active"] else f"{side['state']}, {side['behind']} events behind"
        out().print(f"{side['schema']}  {mark}")


def switch(ctx: typer.Context, reason: Reason = None, as_json: Json = False) -> None:
    """Look at the other side from now on: search and status ask it with their next question."""
    from chronos import switching

    state: State = ctx.obj
    _said(asyncio.run(switching.switch(state.settings(), reason)), "is looked at from now on", as_json)


def rollback(ctx: typer.Context, reason: Reason = None, as_json: Json = False) -> None:
    """Look at the side before the last switch again."""
    from chronos import switching

    state: State = ctx.obj
    _said(asyncio.run(switching.rollback(state.settings(), reason)), "is looked at again", as_json)


def drop(ctx: typer.Context, reason: Reason = None, as_json: Json = False) -> None:
    """Remove the side that nobody looks at, also one that is being built. There is no way back to it."""
    from chronos import switching

    state: State = ctx.obj
    with err().status("dropping"):
        schema = asyncio.run(switching.drop(state.settings(), reason))
    _said(schema, "is gone", as_json)


def _said(schema: str, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"schema": schema})
    else:
        out().print(f"[green]✓[/] {schema} {what}")
