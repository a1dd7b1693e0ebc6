"""Commands that mend what went wrong: `retry`, `rerun` and `deadletters`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli import letters
from chronos.cli.state import Json, State, WrongUse, dollars, err, out, print_json
from chronos.cli.words import age, clean, instant, plain

if TYPE_CHECKING:
    from rich.table import Table

    from chronos.config import Settings
    from chronos.failures import Plan
    from chronos.rerunning import Plan as Rerun
    from chronos.retrying import Outcome, Wish

PANEL = "Mending"
ROWS = 50  # in a list for people

EXAMPLES = """Examples:

chronos retry                                                        all that failed: what would be sent, at what cost

chronos retry how-tides-work --creator ada --execute                 one video

chronos retry --function transcribe-video --error-type SpeechUnavailable --since 2h --execute"""


class Stage(StrEnum):
    """From where on a video is processed anew."""

    transcribe = "transcribe"
    embed = "embed"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL, epilog=EXAMPLES)(retry)
    example = "Example: chronos rerun how-tides-work --creator ada --stage embed --execute"
    app.command(rich_help_panel=PANEL, epilog=example)(rerun)
    app.add_typer(letters.group(), name="deadletters", rich_help_panel=PANEL)


def retry(
    ctx: typer.Context,
    video: Annotated[str | None, typer.Argument(metavar="[VIDEO]", help="Id of a video; all, if absent.")] = None,
    creator: Annotated[str | None, typer.Option("--creator", "-c", help="Only this creator's.")] = None,
    function: Annotated[str | None, typer.Option(help="Only failures of this function.")] = None,
    error_type: Annotated[str | None, typer.Option(help="Only this error, e.g. SpeechUnavailable.")] = None,
    since: Annotated[str | None, typer.Option(help="Only what failed since: 2h, 3d, or an ISO time.")] = None,
    before: Annotated[str | None, typer.Option(help="Only what failed before.")] = None,
    failure: Annotated[list[str] | None, typer.Option(help="Only this one, by its event id. May be repeated.")] = None,
    even_over: Annotated[bool, typer.Option("--all", help="Also what was retried or completed since.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Send. Without this it is only shown.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why: it goes on the log.")] = None,
    as_json: Json = False,
) -> None:
    """Ask again for what failed, by a new command, and say first what that would cost.

    What is paid for already is not paid for again. Only failures that still stand are taken: the video's newest run
    failed. A failed transcription is requested anew; failed embeddings are made from the transcript that is there;
    a webhook goes to those receivers that have not got it.
    """
    from chronos import retrying
    from chronos.failures import Filter

    _check_function(function)
    ids = frozenset(failure or ())
    chosen = Filter(function, error_type, creator, instant(since), instant(before), ids)
    state: State = ctx.obj
    wish = retrying.Wish(chosen, video, even_over)
    plan, done = asyncio.run(_retry(state.settings(), wish, reason, do=execute))
    print_json(retrying.to_json(plan, done)) if as_json else _show(plan, done)
    if done and done.left:
        raise typer.Exit(1)


def _check_function(name: str | None) -> None:
    from chronos.failures import RETRIED

    if name is not None and name not in RETRIED:
        raise WrongUse(f"no function {name!r} can be tried again; these can: {', '.join(RETRIED)}")


async def _retry(settings: Settings, wish: Wish, reason: str | None, *, do: bool) -> tuple[Plan, Outcome | None]:
    from chronos import app, retrying
    from chronos.cli.operating import bar

    async with app.projection_pool(settings, most=2) as pool:
        plan = await retrying.plan(settings, pool, wish)
        if not (do and plan.failures):
            return plan, None
        with bar() as progress:
            return plan, await retrying.execute(settings, pool, plan, reason, progress)


def rerun(
    ctx: typer.Context,
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="Id of a video.")],
    creator: Annotated[str | None, typer.Option("--creator", "-c", help="Whose, if several have one.")] = None,
    stage: Annotated[Stage, typer.Option(help="Send the request again, or embed the newest transcript again.")] = (
        Stage.transcribe
    ),
    execute: Annotated[bool, typer.Option("--execute", help="Send. Without this it is only shown.")] = False,
    plan: Annotated[str | None, typer.Option(metavar="NAME", help="Only if it is still this plan.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why: it goes on the log.")] = None,
    as_json: Json = False,
) -> None:
    """Process a video anew, whatever became of it before; what is bought already is not bought again."""
    from chronos import plans, rerunning

    state: State = ctx.obj
    settings = state.settings()
    found = asyncio.run(_plan_rerun(settings, video, creator, stage))
    plans.check(found, plan)
    sent = asyncio.run(rerunning.execute(settings, found, reason)) if execute else None
    said = {"executed": execute, **found.to_json()} | ({"sent": sent} if sent else {})
    if as_json:
        print_json(said)
        return
    cost = "unknown" if said["unknown"] else dollars(said["costMicroUsd"])
    out().print(f"{said['remembered']} paid results remembered, {said['paidCalls']} calls to pay: {cost}")
    if sent:
        out().print(f"[green]✓[/] sent: run {sent['runId']}")
    else:
        out().print(f"plan [bold]{found.id}[/]: nothing was done; --execute --plan {found.id} does it")


async def _plan_rerun(settings: Settings, video: str, creator: str | None, stage: Stage) -> Rerun:
    from chronos import app, queries, rerunning

    async with app.projection_pool(settings, most=2) as pool:
        whose = creator or (await queries.status(pool, video, None))["creatorId"]
        return await rerunning.plan(settings, pool, (whose, video), stage.value)


def _show(plan: Plan, done: Outcome | None) -> None:
    if not plan.failures:
        err().print("nothing that failed still stands")
        return
    out().print(_table(plan))
    if len(plan.failures) > ROWS:
        err().print(f"and {len(plan.failures) - ROWS} more")
    out().print(f"{len(plan.failures)} to try again, {_price(plan)}")
    if done is None:
        err().print("nothing was sent: add --execute to do it")
    else:
        _show_done(done)


def _show_done(done: Outcome) -> None:
    for failure, why in done.left:
        out().print(f"[red]✗[/] {plain(failure.video or failure.id)}: {plain(why)}", soft_wrap=True)
    if done.sent or not done.asked:
        out().print(f"[green]✓[/] {len(done.sent)} sent")
    if done.asked:
        out().print(f"[green]✓[/] {len(done.asked)} will be processed again by running workers")
    if not done.seen:
        err().print(
            "the tables have not seen them yet: is the projection running? Asked again now, they are sent twice"
        )


def _price(plan: Plan) -> str:
    said = plan.bill
    unknown = f", and {said.unknown} whose cost is not known" if said.unknown else ""
    return f"for at most {dollars(said.micro_usd)}{unknown}"


def _table(plan: Plan) -> Table:
    from rich.table import Table
    from rich.text import Text

    now = datetime.now(UTC)
    table = Table("video", "creator", "failed", "function", "command", "cost", "error", box=None, header_style="bold")
    for failure, cost in list(zip(plan.failures, plan.costs, strict=True))[:ROWS]:
        price = "unknown" if cost is None else dollars(cost)
        who = (failure.video or "a batch", failure.creator or "", age(failure.failed_at, now))
        cells = (
            *who,
            failure.function,
            failure.command or "(the same event)",
            price,
            f"{failure.type}: {failure.message}",
        )
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table
