"""`chronos embeddings`: another model's vectors beside the active ones; the switch, the way back, the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli.state import Failed, Json, State, dollars, err, out, print_json
from chronos.cli.words import plain

if TYPE_CHECKING:
    from chronos.comparing import Comparison
    from chronos.filling import Plan
    from chronos.spaces import Space

PANEL = "Operating"

EXAMPLES = """Examples:

chronos embeddings plan text-embedding-3-large/3072      videos, texts, calls and dollars

chronos embeddings build text-embedding-3-large/3072     fill it beside the active one; Ctrl-C stops, again goes on

chronos embeddings compare text-embedding-3-large/3072 --questions asked.txt

chronos embeddings switch text-embedding-3-large/3072 --min-overlap 0.6 --reason "better on long questions"

chronos embeddings rollback                              search uses the one before again"""

Name = Annotated[str, typer.Argument(metavar="SPACE", help="model/dimensions, e.g. text-embedding-3-large/3072.")]
Reason = Annotated[str | None, typer.Option(help="Why: it goes on the log.")]
Questions = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="A file with questions, one a line.")
]  # fmt: skip


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Embedding spaces: fill another model beside the active one, compare, switch, go back.",
        no_args_is_help=True,
        epilog=EXAMPLES,
    )
    for command in (list_, plan, build, compare, switch, rollback, drop):
        group.command(command.__name__.rstrip("_"))(command)
    app.add_typer(group, name="embeddings", rich_help_panel=PANEL)


def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """The spaces: which one search uses, how full each is."""
    from rich.table import Table

    from chronos import app, spaces

    async def known(state: State) -> list[Space]:
        async with app.projection_pool(state.settings(), most=1) as pool:
            return await spaces.known(pool)

    found = asyncio.run(known(ctx.obj))
    if as_json:
        print_json([space.to_json() for space in found])
        return
    table = Table(box=None, pad_edge=False)
    for name in ("space", "state", "videos", "served", "vectors"):
        table.add_column(name, justify="left" if name in ("space", "state") else "right")
    for space in found:
        table.add_row(plain(space.name), space.state, str(space.videos), str(space.served), str(space.vectors))
    out().print(table if found else "there is no embedding space yet: the first worker makes one")


def plan(ctx: typer.Context, space: Name, as_json: Json = False) -> None:
    """What it would cost to fill a space: nothing is sent and nothing is paid."""
    from chronos import filling
    from chronos.cli.operating import bar

    state: State = ctx.obj
    with bar() as progress:
        found = asyncio.run(filling.plan(state.settings(), space, progress))
    if as_json:
        print_json(found.to_json())
    else:
        _show_plan(found)


def _show_plan(found: Plan) -> None:
    needs = found.needs
    out().print(f"{found.videos} videos are not in {plain(found.space)} yet, with {found.texts} texts")
    out().print(
        f"{needs.remembered} paid results remembered, {needs.calls} calls to pay, about {needs.quantity:,.0f} tokens: "
        f"{dollars(needs.cost_micro_usd)}"
    )


def build(
    ctx: typer.Context,
    space: Name,
    batch: Annotated[int | None, typer.Option(min=1, max=1000, help="Videos that are asked for at once.")] = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, with the price shown, whether to.")] = False,
    as_json: Json = False,
) -> None:
    """Fill a space beside the active one. Search is not changed by it; new videos are written to both from now on.

    Ctrl-C ends it and calls off what was asked for; the same command goes on. Live work goes before it.
    """
    from chronos import filling
    from chronos.cli.operating import bar

    state: State = ctx.obj
    if not yes:
        with bar() as progress:
            found = asyncio.run(filling.plan(state.settings(), space, progress))
        if found.videos:
            _show_plan(found)
            typer.confirm("fill it", abort=True, err=True)
    with bar() as progress:
        filled = asyncio.run(
            filling.build(
                state.settings(),
                space,
                batch=batch or filling.BATCH_OF_VIDEOS,
                reason=reason,
                progress=progress,
            )
        )
    if as_json:
        print_json(filled.to_json())
    else:
        out().print(f"[green]✓[/] {filled.videos} videos are in {plain(space)} now, in {filled.seconds:.0f} s")
    if filled.failed:
        raise Failed(f"{len(filled.failed)} videos failed: `chronos retry` says why, and asks for them again")


def compare(ctx: typer.Context, space: Name, questions: Questions = None, as_json: Json = False) -> None:
    """How a space's first ten hits differ from the active one's: for your questions, or for words out of passages."""
    from chronos import comparing

    state: State = ctx.obj
    with err().status("asking both"):
        found = asyncio.run(comparing.compare(state.settings(), space, _lines(questions)))
    if as_json:
        print_json(found.to_json())
    else:
        _show_comparison(found)


def _lines(file: Path | None) -> list[str]:
    return [line.strip() for line in file.read_text().splitlines() if line.strip()] if file else []


def _show_comparison(found: Comparison) -> None:
    out().print(f"recall at 10 against {plain(found.before)}: {found.overlap:.1%}, by {len(found.answers)} questions")
    if recall := found.recall():
        out().print(f"a passage is among the ten hits of its own words: {recall[0]:.1%} before, {recall[1]:.1%} after")
    if found.lacking:
        out().print(f"{found.lacking} videos are not in {plain(found.after)} yet, and do not count here")
    for answers in sorted(found.answers, key=lambda one: one.overlap)[:10]:
        if answers.overlap < 1:
            changed = answers.to_json()
            out().print(f"\n{answers.overlap:4.0%}  {plain(answers.question)}")
            out().print(f"      gone: {plain(', '.join(changed['gone']))}")
            out().print(f"      new:  {plain(', '.join(changed['new']))}")


def switch(
    ctx: typer.Context,
    space: Name,
    min_overlap: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Refuse where fewer of the old first ten hits are left, e.g. 0.6."),
    ] = None,
    questions: Questions = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also where videos are missing: they are served from where they are.")
    ] = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Search uses this space from its next question on. `rollback` takes it back as quickly."""
    from chronos import comparing

    state: State = ctx.obj
    settings = state.settings()

    async def switched() -> str | None:
        wish = comparing.Wish(space, min_overlap, _lines(questions), partial)
        return await comparing.switch(settings, wish, await comparing.compare_for(settings, wish), reason)

    with err().status("switching"):
        before = asyncio.run(switched())
    if as_json:
        print_json({"space": space, "before": before})
    else:
        out().print(f"[green]✓[/] search uses {plain(space)}; `chronos embeddings rollback` goes back to {before}")


def rollback(ctx: typer.Context, reason: Reason = None, as_json: Json = False) -> None:
    """Search uses the space before the last switch again."""
    from chronos import spaces

    state: State = ctx.obj
    with err().status("going back"):
        space = asyncio.run(spaces.rollback(state.settings(), reason))
    if as_json:
        print_json({"space": space})
    else:
        out().print(f"[green]✓[/] search uses {plain(space)} again")


def drop(ctx: typer.Context, space: Name, reason: Reason = None, as_json: Json = False) -> None:
    """Retire a space that search does not use: its vectors go from the tables, new videos are not written to it.

    What was paid for stays in the journal and on the log: to build it again costs nothing.
    """
    from chronos import spaces

    state: State = ctx.obj
    with err().status("dropping"):
        asyncio.run(spaces.drop(state.settings(), space, reason))
    if as_json:
        print_json({"space": space})
    else:
        out().print(f"[green]✓[/] {plain(space)} is retired")
