"""`chronos`: all commands, the options that every one of them takes, and the one place where their errors end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from chronos.cli import (
    batches,
    deleting,
    embeddings,
    events,
    exporting,
    importing,
    looking,
    operating,
    rebuilding,
    repairing,
    rewinding,
    stack,
    videos,
    working,
)
from chronos.cli.errors import OneLine
from chronos.cli.state import State

HELP = """Videos in, searchable words out: transcription on a log, with nothing lost and nothing bought twice."""

EPILOG = """First steps:  [bold]chronos demo[/]  shows the whole job.  [bold]chronos dev[/]  starts everything; then
[bold]chronos transcribe lecture.mp4 --creator ada --wait[/]  and  [bold]chronos search "how tides work"[/]."""

ANYWHERE = {"--home": True, "--debug": False}
"""Options that may also stand behind the command, and whether they take a value."""


class Root(TyperGroup):
    """Takes the common options wherever they stand, and ends errors in one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, hoisted(args))

    def invoke(self, ctx: Any) -> Any:
        with OneLine(ctx, debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


def hoisted(args: list[str]) -> list[str]:
    """The common options first, whatever command they were given behind. After `--` nothing is an option."""
    end = args.index("--") if "--" in args else len(args)
    front: list[str] = []
    rest: list[str] = []
    words: Iterator[str] = iter(args[:end])
    for word in words:
        name, _, _ = word.partition("=")
        if name not in ANYWHERE:
            rest.append(word)
            continue
        front.append(word)
        if ANYWHERE[name] and "=" not in word:
            front += [value for value in (next(words, None),) if value is not None]
    return [*front, *rest, *args[end:]]


app = typer.Typer(
    cls=Root,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def common(
    ctx: typer.Context,
    home: Annotated[
        Path,
        typer.Option(envvar="CHRONOS_HOME", help="Where a stack keeps its data, and is found.", file_okay=False),
    ] = Path(".chronos"),
    debug: Annotated[bool, typer.Option("--debug", help="Show the stack trace of an error.")] = False,
) -> None:
    from chronos import house

    house.check()
    from chronos import logs, tracing  # they import `streams`, which is ours by now

    logs.set_up(level=logging.WARNING)
    tracing.set_up()
    ctx.obj = State(home, debug)


for part in (
    stack,
    working,
    videos,
    exporting,
    deleting,
    events,
    looking,
    repairing,
    batches,
    rewinding,
    rebuilding,
    embeddings,
    importing,
    operating,
):
    part.register(app)
