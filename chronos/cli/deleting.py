"""`chronos delete`: a video is forgotten; what would go is shown first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli.state import Json, State, WrongUse, err, out, print_json
from chronos.cli.videos import PANEL, Creator, VideoArgument
from chronos.cli.words import plain

if TYPE_CHECKING:
    from chronos.deleting import Plan

EXAMPLES = """Examples:

chronos delete how-tides-work                                               what would go

chronos delete how-tides-work --execute --reason "recorded by mistake"      gone from tables and search at once

chronos delete how-tides-work --creator ada --offsets > cut.json            where its events stand on the log"""


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL, epilog=EXAMPLES)(delete)


def delete(
    ctx: typer.Context,
    video: VideoArgument,
    creator: Creator = None,
    reason: Annotated[str | None, typer.Option(help="Why: it goes on the log.")] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without this is shown what would go.")] = False,
    offsets: Annotated[
        bool, typer.Option("--offsets", help="Print for kafka-delete-records where its events are, and do nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a video: it goes from tables and search, and no rewind or rebuild brings it back.

    Runs that are under way are called off, and paid results that no other video uses are erased. Its events stay on the
    log, and its file in the store: docs/how-to/delete-a-video.md says how to remove those too.
    """
    from chronos import deleting

    state: State = ctx.obj
    if offsets:
        print_json(_behind(state, video, creator))
        return
    planned = asyncio.run(deleting.plan(state.settings(), video, creator))
    run_id = None
    if execute:
        with err().status("deleting"):
            run_id = asyncio.run(deleting.execute(state.settings(), planned, reason))
    if as_json:
        print_json({**planned.to_json(), "executed": execute, "runId": run_id})
        return
    _show(planned)
    if execute:
        out().print("[green]✓[/] it is gone")
    else:
        out().print("nothing was done: [bold]--execute[/] deletes it")


def _behind(state: State, video: str, creator: str | None) -> dict[str, Any]:
    from chronos import cutting_off
    from chronos.cli.operating import bar

    if creator is None:
        raise WrongUse("say whose video it was with --creator: the tables may not know it any more")
    with bar() as progress:
        return asyncio.run(cutting_off.behind(state.settings(), creator, video, progress))


def _show(planned: Plan) -> None:
    rows = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in planned.rows.items()) or "none"
    out().print(f"video {plain(planned.video_id)} of {plain(planned.creator_id)}", soft_wrap=True)
    out().print(f"  rows          {rows}", soft_wrap=True)
    out().print(f"  paid results  {planned.results} are erased, {planned.shared} stay that other videos use")
