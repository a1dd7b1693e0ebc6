"""Commands about many videos, with what they would cost before anything is done: `estimate` and `reprocess`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli.operating import bar
from chronos.cli.state import Json, State, WrongUse, clock, dollars, out, print_json
from chronos.cli.words import instant, plain

if TYPE_CHECKING:
    from chronos.estimating import Estimate
    from chronos.reprocessing import Plan

EXAMPLES = """Examples:

chronos reprocess --creator ada                        which videos, and what it would cost

chronos reprocess --model-not text-embedding-3-large --execute --reason "the new model"

chronos reprocess how-tides-work why-stars-shine --creator ada --execute"""

ROWS = 20  # videos in a plan for people


def register(app: typer.Typer) -> None:
    example = "Example: chronos estimate lectures/*.mp4 --creator ada"
    app.command(rich_help_panel="Videos", epilog=example)(estimate)
    app.command(rich_help_panel="Operating", epilog=EXAMPLES)(reprocess)


def estimate(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Videos or sounds.", exists=True, dir_okay=False, readable=True)],
    creator: Annotated[str | None, typer.Option("--creator", "-c", help="Whose model it would be.")] = None,
    as_json: Json = False,
) -> None:
    """What files would cost, before they are sent. Each is opened: pauses are not paid for. Nothing is sent."""
    from chronos import estimating

    state: State = ctx.obj
    settings, found = state.settings(), []
    with bar() as progress:
        for n, file in enumerate(files):
            progress("listen", n / len(files))
            found.append(estimating.estimate(settings, file, creator))
    total = estimating.total(found)
    if as_json:
        print_json({"files": [one.to_json() for one in found], "costMicroUsd": total})
    else:
        _show_estimates(found, total)


def _show_estimates(found: list[Estimate], total: int) -> None:
    from rich.table import Table

    table = Table("file", "length", "heard", "speech", "embedding, about", box=None, header_style="bold")
    for one in found:
        costs = dollars(one.speech), dollars(one.embedding)
        table.add_row(plain(one.file.name), clock(one.seconds), clock(one.heard), *costs)
    out().print(table)
    out().print(f"about [bold]{dollars(total)}[/] for {len(found)}, if nothing of it was heard before")


def reprocess(
    ctx: typer.Context,
    videos: Annotated[list[str] | None, typer.Argument(metavar="[VIDEO]...", help="Only these.")] = None,
    creator: Annotated[str | None, typer.Option("--creator", "-c", help="Only this creator's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only videos of this status.")] = None,
    model_not: Annotated[str | None, typer.Option(help="Only videos without a full set of this model's.")] = None,
    before: Annotated[str | None, typer.Option(help="Only transcripts older than: 3d, or an ISO time.")] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Send. Without this it is only shown.")] = False,
    plan: Annotated[str | None, typer.Option(metavar="NAME", help="Only if it is still this plan.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why: it goes on the log.")] = None,
    as_json: Json = False,
) -> None:
    """Cut and embed many videos anew from their transcripts, and say first what that would cost.

    They wait behind everybody's live work; what is bought already is not bought again.
    """
    from chronos import plans, reprocessing
    from schemas.batch import VideoFilter

    chosen = VideoFilter(creator_id=creator, status=status, model_not=model_not, before=instant(before))
    if not videos and chosen.is_empty():
        raise WrongUse("say which: VIDEO..., --creator, --status, --model-not or --before")
    state: State = ctx.obj
    settings = state.settings()
    wish = reprocessing.command(videos or [], chosen, reason)

    async def ask(progress: Callable[[str, float], None]) -> Plan:
        async with state.tables() as pool:
            return await reprocessing.plan(settings, pool, wish, progress)

    with bar() as progress:
        found = asyncio.run(ask(progress))
    plans.check(found, plan)
    sent = asyncio.run(reprocessing.execute(settings, found)) if execute else None
    if as_json:
        print_json({"executed": execute, **found.to_json()} | ({"sent": sent} if sent else {}))
        return
    _show_plan(found)
    if sent:
        out().print(f"[green]✓[/] sent: run {sent['runId']}")
    else:
        out().print(f"plan [bold]{found.id}[/]: nothing was done; --execute --plan {found.id} does it")


def _show_plan(found: Plan) -> None:
    for one in found.chosen[:ROWS]:
        out().print(f"  {plain(one.video_id)} of {plain(one.creator_id)}")
    if len(found.chosen) > ROWS:
        out().print(f"  and {len(found.chosen) - ROWS:,} more")
    needs = found.foresight.needs
    out().print(
        f"{len(found.chosen):,} videos: {needs.remembered:,} paid results remembered, {needs.calls:,} calls to pay: "
        f"{dollars(needs.cost_micro_usd)}" + (f", and {needs.unknown} that nobody can tell" if needs.unknown else "")
    )
