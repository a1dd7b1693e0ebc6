"""`chronos import`: what the system that was replaced has made, taken over without paying for it again."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli.state import Json, State, WrongUse, err, out, print_json
from chronos.cli.words import plain

if TYPE_CHECKING:
    from chronos.importing import Plan

PANEL = "Operating"
ROWS = 20  # of what is left out, for people

EXAMPLES = """Examples:

chronos import --from postgresql://reader@db.example.org/postgres     what it would do

chronos import --from … --columns '{"videos": {"creator": "owner"}}'  where names are not the usual ones

chronos import --from … --execute --reason "from the old system"      do it; again goes on"""


def register(app: typer.Typer) -> None:
    app.command("import", rich_help_panel=PANEL, epilog=EXAMPLES)(import_)


def import_(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Option("--from", envvar="CHRONOS_IMPORT_FROM", help="URL of the old Postgres; it is only read.")
    ],
    columns: Annotated[str, typer.Option(help="What tables and columns are called there, as JSON.")] = "{}",
    space: Annotated[str, typer.Option(help="model/dimensions of the old vectors.")] = "text-embedding-3-small/1536",
    embed: Annotated[
        bool, typer.Option("--embed", help="Also videos that lack vectors: workers make them, and pay.")
    ] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without this it is only shown.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why: it goes on the log.")] = None,
    as_json: Json = False,
) -> None:
    """Take over the old system's videos, transcripts, chunks and vectors, and pay for nothing.

    The facts that would have made them are written, under the same ids each time: said again, it goes on where it was.
    Give it the workers' settings.
    """
    from chronos import importing
    from chronos.cli.operating import bar

    state: State = ctx.obj
    wish = importing.Wish(source, space, _json(columns), embed)
    with bar() as progress:
        if execute:
            found = asyncio.run(importing.execute(state.settings(), wish, reason, progress))
        else:
            found = asyncio.run(importing.plan(state.settings(), wish, progress))
    print_json({**found.to_json(), "executed": execute}) if as_json else _show(found, done=execute)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise WrongUse(f"--columns is no JSON: {error}") from error


def _show(found: Plan, *, done: bool) -> None:
    for video in found.left[:ROWS]:
        out().print(f"[yellow]-[/] {plain(video['videoId'])}: {plain(video['why'])}", soft_wrap=True)
    if len(found.left) > ROWS:
        err().print(f"and {len(found.left) - ROWS} more that are left out: --json has all")
    here = f"{found.here} are here already" + (f", {found.deleted} were deleted here" if found.deleted else "")
    out().print(f"{found.videos} videos in {plain(found.source)}: {here}, {len(found.left)} left out")
    to_embed = f", {found.to_embed} to be embedded here" if found.to_embed else ""
    what = f"{found.ready} with their vectors for nothing{to_embed}, in {found.facts} facts"
    out().print(f"[green]✓[/] imported: {what}" if done else f"to import: {what}")
    if not done:
        err().print("nothing was written: add --execute to do it")
