"""What people take away: `export`, `chapters` and `share`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from chronos.cli.state import Json, State, clock, err, out, print_json
from chronos.cli.videos import PANEL, Creator, VideoArgument
from chronos.cli.words import plain

if TYPE_CHECKING:
    from streams.postgres import Pool

Answer = TypeVar("Answer")


def register(app: typer.Typer) -> None:
    example = "Examples: chronos export how-tides-work --format vtt · chronos export how-tides-work --output tides.srt"
    app.command(rich_help_panel=PANEL, epilog=example)(export)
    app.command(rich_help_panel=PANEL, epilog="Example: chronos chapters how-tides-work --youtube")(chapters)
    app.command(rich_help_panel=PANEL, epilog="Example: chronos share how-tides-work --at 1:02")(share)


def export(
    ctx: typer.Context,
    video: VideoArgument,
    kind: Annotated[str | None, typer.Option("--format", "-f", help="srt, vtt, txt, json or md.")] = None,
    creator: Creator = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; its ending says the format too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a video's words: captions (srt, vtt), text, Markdown with chapters, or all of it as JSON."""
    from chronos import exporting

    wanted = _format(kind, output)
    spoken, text = _asked(ctx.obj, lambda pool: exporting.export(pool, video, creator, wanted))
    if output is not None:
        output.write_text(text, encoding="utf-8")
    if as_json:
        written = {"file": str(output)} if output else {"text": text}
        print_json({"videoId": video, "creatorId": spoken.creator_id, "format": wanted, **written})
    elif output is None:
        sys.stdout.buffer.write(text.encode())  # in UTF-8 whatever the terminal's encoding: it goes into files
    else:
        err().print(f"[green]✓[/] {plain(str(output))}")


def _asked(state: State, question: Callable[[Pool], Awaitable[Answer]]) -> Answer:
    """What the tables say."""
    from chronos.sides import projection_pool

    async def ask() -> Answer:
        async with projection_pool(state.settings(), most=2) as pool:
            return await question(pool)

    return asyncio.run(ask())


def _format(kind: str | None, output: Path | None) -> Any:
    from chronos.export_formats import Format

    name = kind or (output.suffix.removeprefix(".") if output else "") or Format.SRT
    try:
        return Format(name.lower())
    except ValueError as error:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Format)}", param_hint="--format") from error


def chapters(
    ctx: typer.Context,
    video: VideoArgument,
    creator: Creator = None,
    for_youtube: Annotated[bool, typer.Option("--youtube", help="Three at least, as YouTube wants them.")] = False,
    as_json: Json = False,
) -> None:
    """Where the subject changes: a guess from the vectors, each chapter named by its most telling words."""
    from chronos import exporting
    from chronos.export_formats import chapter_to_json

    look = exporting.youtube if for_youtube else exporting.spoken
    found = _asked(ctx.obj, lambda pool: look(pool, video, creator)).chapters
    if as_json:
        print_json({"videoId": video, "chapters": [chapter_to_json(chapter) for chapter in found]})
        return
    for chapter in found:
        out().print(f"{clock(chapter.start / 1000)} {plain(chapter.title)}", soft_wrap=True)
    note = "a guess from the words: read it before you publish it" if found else "no change of subject was found"
    err().print(f"[dim]{note}[/]")


def share(
    ctx: typer.Context,
    video: VideoArgument,
    at: Annotated[str, typer.Option("--at", help="The second: 62, 1:02, 1:02:03 or 1h2m3s.")] = "0",
    creator: Creator = None,
    as_json: Json = False,
) -> None:
    """A link to a second of a video, in the console (CHRONOS_CONSOLE_URL)."""
    from chronos import queries
    from chronos.sharing import link, second

    state: State = ctx.obj
    wanted = second(at)
    known = _asked(state, lambda pool: queries.status(pool, video, creator))
    url = link(state.settings().console_url, known["creatorId"], video, wanted, known["durationSeconds"])
    print_json({"videoId": video, "creatorId": known["creatorId"], "url": url}) if as_json else typer.echo(url)
