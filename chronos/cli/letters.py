"""Commands about dead letters: `deadletters list`, `show`, `redrive` and `drop`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli.letter_views import letter_table, say_more, show_letter
from chronos.cli.state import Json, State, err, out, print_json
from chronos.cli.words import instant, plain

if TYPE_CHECKING:
    from chronos.deadletters import Outcome
    from chronos.letters import Choice, Plan

ROWS = 50  # in a list for people

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        help="field=value, field!=value or field~=text (contains), of topic, group, type, reason, creator, video. "
        "Several must all hold.",
    ),
]
Since = Annotated[str | None, typer.Option(help="Only what was written since: 2h, 3d, or an ISO date or time.")]
Before = Annotated[str | None, typer.Option(help="Only what was written before.")]
Letters = Annotated[list[str] | None, typer.Argument(metavar="LETTER", help="Letters by their place, as 3@17.")]
Execute = Annotated[bool, typer.Option("--execute", help="Do it. Without this it is only shown.")]
Reason = Annotated[str | None, typer.Option(help="Why: it goes on the log.")]

HELP = """Dead letters: records that could not be read.

What is done with is said by the consumer group [bold]chronos.deadletters[/], whose lag is the backlog: its offset
moves when letters are redriven or dropped, and letters that stay in between are written again behind the others.
Nothing is ever deleted from the log."""

LIST = """Examples: chronos deadletters list · chronos deadletters list --where 'reason~=storagePath' --since 2d"""
SHOW = """Examples: chronos deadletters show 1 · chronos deadletters show 3@17 --json"""
REDRIVE = """Examples:

chronos deadletters redrive                                          all of them: what would be done

chronos deadletters redrive 3@17 --execute                           one of them

chronos deadletters redrive -w topic=transcribe.requested -w creator=ada --execute"""
DROP = """Example: chronos deadletters drop --where 'reason~=not JSON' --before 7d --execute"""


def group() -> typer.Typer:
    app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich")
    app.command("list", epilog=LIST)(list_)
    app.command(epilog=SHOW)(show)
    app.command(epilog=REDRIVE)(redrive)
    app.command(epilog=DROP)(drop)
    return app


def list_(
    ctx: typer.Context,
    where: Where = None,
    since: Since = None,
    before: Before = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Letters at most; 50, and all with --json.")] = None,
    as_json: Json = False,
) -> None:
    """The backlog, the oldest first."""
    from chronos import deadletters
    from chronos.cli.operating import bar

    state: State = ctx.obj
    choice = _choice(None, where, since, before)
    with bar() as progress:
        backlog = asyncio.run(deadletters.backlog(state.settings(), progress))
    found = [(number, letter) for number, letter in enumerate(backlog, 1) if choice.takes(letter)]
    if as_json:
        print_json({"total": len(found), "letters": [{"number": n, **one.to_json()} for n, one in found[:limit]]})
    elif found:
        out().print(letter_table(found[: limit or ROWS]))
        say_more(len(found) - (limit or ROWS))
    else:
        err().print("no dead letters")


def show(
    ctx: typer.Context,
    letter: Annotated[str, typer.Argument(help="Its number in the list, or its place, as 3@17.")],
    as_json: Json = False,
) -> None:
    """One letter: where it came from, why it is here, its headers and its bytes."""
    from chronos import deadletters
    from chronos.letters import whole_json

    state: State = ctx.obj
    found = asyncio.run(deadletters.letter(state.settings(), letter))
    if as_json:
        print_json(whole_json(found))
    else:
        show_letter(found)


def redrive(
    ctx: typer.Context,
    letters: Letters = None,
    where: Where = None,
    since: Since = None,
    before: Before = None,
    force: Annotated[bool, typer.Option("--force", help="Also what has come back three times already.")] = False,
    execute: Execute = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Send records back to the topics that they came from, with their own key, bytes and headers.

    A header counts how often. Two letters of one record send it once. Without --execute nothing is sent.
    """
    how = _How(force=force, drop=False, execute=execute, reason=reason)
    _work(ctx, _choice(letters, where, since, before), how, as_json=as_json)


def drop(
    ctx: typer.Context,
    letters: Letters = None,
    where: Where = None,
    since: Since = None,
    before: Before = None,
    execute: Execute = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Take letters out of the backlog without sending them. They stay on the log. Without --execute nothing is done."""
    how = _How(force=False, drop=True, execute=execute, reason=reason)
    _work(ctx, _choice(letters, where, since, before), how, as_json=as_json)


def _choice(letters: list[str] | None, where: list[str] | None, since: str | None, before: str | None) -> Choice:
    from chronos.conditions import condition
    from chronos.letters import FIELDS, Choice

    conditions = [condition(text, FIELDS) for text in where or ()]
    return Choice(frozenset(letters or ()), conditions, instant(since), instant(before))


@dataclass(frozen=True)
class _How:
    force: bool
    drop: bool
    execute: bool
    reason: str | None


def _work(ctx: typer.Context, choice: Choice, how: _How, *, as_json: bool) -> None:
    from chronos import deadletters
    from chronos.cli.operating import bar

    state: State = ctx.obj
    settings = state.settings()
    with bar() as progress:
        plan = asyncio.run(deadletters.planned(settings, choice, force=how.force, drop=how.drop, progress=progress))
        done = None
        if how.execute:
            done = asyncio.run(deadletters.execute(settings, plan, how.reason, progress))
    if as_json:
        print_json(deadletters.to_json(plan, done))
    else:
        _show_work(plan, done, drop=how.drop)
    if done and done.refused:
        raise typer.Exit(1)


def _show_work(plan: Plan, done: Outcome | None, *, drop: bool) -> None:
    if plan.chosen:
        out().print(letter_table([(None, one) for one in plan.chosen[:ROWS]]))
        say_more(len(plan.chosen) - ROWS)
    for one, why in done.refused if done else plan.refused:
        out().print(f"[red]✗[/] {one.id}: {plain(why)}", soft_wrap=True)
    if done is None:
        what = f"drop {len(plan.chosen)} letters" if drop else f"send {_topics(plan)}"
        out().print(f"would {what}; {_rest(plan)}", soft_wrap=True)
        err().print("nothing was done: add --execute to do it")
    else:
        out().print(f"[green]✓[/] {done.redriven} redriven, {done.dropped} dropped, {done.moved} written again")


def _topics(plan: Plan) -> str:
    return ", ".join(f"{count} to {topic}" for topic, count in plan.by_topic().items()) or "nothing"


def _rest(plan: Plan) -> str:
    staying = len(plan.staying) + len(plan.refused)
    return f"{staying} letters stay, {plan.moving()} of them written again behind the others"
