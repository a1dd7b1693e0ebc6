"""Commands that mend what went wrong: `retry` and `deadletters`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli import letters
from chronos.cli.state import Failed, Json, State, WrongUse, dollars, err, out, print_json
from chronos.cli.words import age, clean, instant, plain

if TYPE_CHECKING:
    from rich.table import Table

    from chronos.config import Settings
    from chronos.failures import Failure, Filter
    from chronos.retrying import Outcome

PANEL = "Mending"
ROWS = 50  # in a list for people

EXAMPLES = """Examples:

chronos retry                                                        all that failed: what would be sent, at what cost

chronos retry how-tides-work --creator ada --execute                 one video

chronos retry --function transcribe-video --error-type SpeechUnavailable --since 2h --execute"""


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL, epilog=EXAMPLES)(retry)
    app.add_typer(letters.group(), name="deadletters", rich_help_panel=PANEL)


@dataclass(frozen=True)
class _Asked:
    """What a person wants to have tried again."""

    video: str | None
    chosen: Filter
    even_over: bool
    execute: bool
    reason: str | None


@dataclass(frozen=True)
class _Answer:
    failures: list[Failure]
    costs: list[int | None]
    done: Outcome | None


def retry(
    ctx: typer.Context,
    video: Annotated[str | None, typer.Argument(metavar="[VIDEO]", help="Id of a video; all, if absent.")] = None,
    creator: Annotated[str | None, typer.Option("--creator", "-c", help="Only this creator's.")] = None,
    function: Annotated[str | None, typer.Option(help="Only failures of this function.")] = None,
    error_type: Annotated[str | None, typer.Option(help="Only this error, e.g. SpeechUnavailable.")] = None,
    since: Annotated[str | None, typer.Option(help="Only what failed since: 2h, 3d, or an ISO time.")] = None,
    before: Annotated[str | None, typer.Option(help="Only what failed before.")] = None,
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
    from chronos.failures import Filter

    _check_function(function)
    chosen = Filter(function, error_type, creator, instant(since), instant(before))
    state: State = ctx.obj
    answer = asyncio.run(_retry(state.settings(), _Asked(video, chosen, even_over, execute, reason)))
    print_json(_json(answer)) if as_json else _show(answer)
    if answer.done and answer.done.left:
        raise typer.Exit(1)


def _check_function(name: str | None) -> None:
    from chronos.failures import RETRIED

    if name is not None and name not in RETRIED:
        raise WrongUse(f"no function {name!r} can be tried again; these can: {', '.join(RETRIED)}")


async def _retry(settings: Settings, asked: _Asked) -> _Answer:
    from chronos import app, operations, retrying
    from chronos.cli.operating import bar
    from chronos.failures import cost

    async with app.projection_pool(settings, most=2) as pool:
        found = await retrying.failures(
            settings, pool, asked.chosen, video=asked.video, even_over=asked.even_over
        )  # fmt: skip
        if asked.video is not None:
            await _refuse_what_is_not_one_video(pool, asked, found)
        prices = retrying.prices(settings)
        costs, done = [cost(failure, prices) for failure in found], None
        if asked.execute and found:
            with bar() as progress:
                done = await retrying.retry(settings, pool, found, progress)
            planned = {"failures": [failure.id for failure in found], "costMicroUsd": sum(one or 0 for one in costs)}
            outcome = {"sent": len(done.sent), "asked": len(done.asked), "left": len(done.left)}
            await operations.tell(settings, "retry", asked.video or "videos", asked.reason, planned, outcome)
    return _Answer(found, costs, done)


async def _refuse_what_is_not_one_video(pool: Any, asked: _Asked, found: list[Failure]) -> None:
    """Another creator's video of the same name must not be sent along."""
    from chronos import queries

    known = await queries.status(pool, asked.video or "", asked.chosen.creator)
    if not found:
        raise Failed(f"nothing of video {asked.video!r} is to be tried again: it is {known['status']}")


def _show(answer: _Answer) -> None:
    if not answer.failures:
        err().print("nothing that failed still stands")
        return
    out().print(_table(answer))
    if len(answer.failures) > ROWS:
        err().print(f"and {len(answer.failures) - ROWS} more")
    out().print(f"{len(answer.failures)} to try again, {_price(answer)}")
    if answer.done is None:
        err().print("nothing was sent: add --execute to do it")
    else:
        _show_done(answer.done)


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


def _price(answer: _Answer) -> str:
    from chronos.failures import bill

    said = bill(answer.costs)
    unknown = f", and {said.unknown} whose cost is not known" if said.unknown else ""
    return f"for at most {dollars(said.micro_usd)}{unknown}"


def _table(answer: _Answer) -> Table:
    from rich.table import Table
    from rich.text import Text

    now = datetime.now(UTC)
    table = Table("video", "creator", "failed", "function", "command", "cost", "error", box=None, header_style="bold")
    for failure, cost in list(zip(answer.failures, answer.costs, strict=True))[:ROWS]:
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


def _json(answer: _Answer) -> dict[str, Any]:
    from chronos.failures import bill

    said, done = bill(answer.costs), answer.done
    return {
        "executed": done is not None,
        "costMicroUsd": said.micro_usd,
        "unknownCosts": said.unknown,
        "failures": [_failure(f, cost) for f, cost in zip(answer.failures, answer.costs, strict=True)],
        "sent": [
            {
                "failureId": failure.id,
                "topic": sent.place.topic,
                "partition": sent.place.partition,
                "offset": sent.place.offset,
                "runId": sent.run_id,
            }
            for failure, sent in (done.sent if done else ())
        ],
        "asked": [failure.id for failure in (done.asked if done else ())],
        "left": [{"failureId": failure.id, "why": why} for failure, why in (done.left if done else ())],
        "seen": done.seen if done else None,
    }


def _failure(failure: Failure, cost: int | None) -> dict[str, Any]:
    return {
        "failureId": failure.id,
        "videoId": failure.video,
        "creatorId": failure.creator,
        "runId": failure.run,
        "function": failure.function,
        "attempts": failure.attempts,
        "error": {"type": failure.type, "message": failure.message, "retryable": failure.retryable},
        "failedAt": failure.failed_at.isoformat(),
        "event": failure.origin.model_dump(),
        "command": failure.command,
        "costMicroUsd": cost,
    }
