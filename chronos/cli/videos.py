"""Commands about videos: `transcribe`, `status`, `transcript`, `watch` and `search`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli.state import Json, State, clock, dollars, err, out, print_json, print_line

if TYPE_CHECKING:
    from rich.table import Table

PANEL = "Videos"

Creator = Annotated[str | None, typer.Option("--creator", "-c", help="Whose; needed where two have the same id.")]
VideoArgument = Annotated[str, typer.Argument(metavar="VIDEO", help="Id of a video.")]

COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow"}


def register(app: typer.Typer) -> None:
    example = "Example: chronos transcribe lecture.mp4 --creator ada --title 'How tides work' --wait"
    app.command(rich_help_panel=PANEL, epilog=example)(transcribe)
    app.command(rich_help_panel=PANEL, epilog="Examples: chronos status · chronos status how-tides-work --json")(status)
    app.command(rich_help_panel=PANEL, epilog="Example: chronos transcript how-tides-work")(transcript)
    app.command(rich_help_panel=PANEL, epilog="Example: chronos watch how-tides-work")(watch)
    example = "Example: chronos cancel how-tides-work --reason 'wrong file'"
    app.command(rich_help_panel=PANEL, epilog=example)(cancel)
    app.command(rich_help_panel=PANEL, epilog="Example: chronos search why is high tide later --creator ada")(search)


def transcribe(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A video or a sound.", exists=True, dir_okay=False, readable=True)],
    creator: Annotated[str, typer.Option("--creator", "-c", help="Whose video it is.")],
    title: Annotated[str | None, typer.Option(help="The file's name, if absent.")] = None,
    language: Annotated[str | None, typer.Option(help="A hint, as an ISO 639-1 code, e.g. en.")] = None,
    video_id: Annotated[str | None, typer.Option(help="Made of the creator and the content, if absent.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is over: 0 completed, 1 failed.")] = False,
    as_json: Json = False,
) -> None:
    """Upload a video and ask for its words. The same file again is the same video."""
    from chronos.cli.uploading import Wish, request

    state: State = ctx.obj
    wish = Wish(file, creator, title or file.stem, language, video_id)
    found = asyncio.run(request(state.settings(), wish, wait=wait))
    print_json(found) if as_json else out().print(videos_table([found]))
    if not as_json and not wait:
        err().print(f"follow it with: chronos watch {found['videoId']}")
    if found["status"] == "failed":
        raise typer.Exit(1)


def status(
    ctx: typer.Context,
    video: Annotated[str | None, typer.Argument(metavar="[VIDEO]", help="Id of a video; all, if absent.")] = None,
    creator: Creator = None,
    as_json: Json = False,
) -> None:
    """How far videos are, and what they cost."""
    from chronos import queries

    state: State = ctx.obj

    async def ask() -> Any:
        async with state.tables() as pool:
            return await (queries.status(pool, video, creator) if video else queries.videos(pool, creator_id=creator))

    found = asyncio.run(ask())
    if as_json:
        print_json(found)
        return
    rows = [found] if video else found
    out().print(videos_table(rows) if rows else "no videos yet: chronos transcribe FILE --creator NAME")


def cancel(
    ctx: typer.Context,
    video: VideoArgument,
    creator: Creator = None,
    reason: Annotated[str, typer.Option(help="Why, for who reads the log.")] = "",
    as_json: Json = False,
) -> None:
    """Call a video's run off: it stops at its next step, and pays for nothing more. What was bought stays."""
    from chronos.cancelling import cancel as run

    state: State = ctx.obj
    called_off = asyncio.run(run(state.settings(), video, creator, reason))
    if as_json:
        print_json(called_off)
    else:
        out().print(f"[green]✓[/] run {called_off['runId']} of video {video} is called off")


def transcript(ctx: typer.Context, video: VideoArgument, creator: Creator = None, as_json: Json = False) -> None:
    """A video's words, with their times."""
    from chronos import queries

    state: State = ctx.obj

    async def ask() -> dict[str, Any]:
        async with state.tables() as pool:
            return await queries.transcript(pool, video, creator)

    found = asyncio.run(ask())
    if as_json:
        print_json(found)
        return
    for one in found["segments"]:
        who = f"[bold]{_plain(one['speaker'])}[/] " if one.get("speaker") else ""
        out().print(f"[cyan]{clock(one['start']):>7}[/]  {who}{_plain(one['text'])}")


def watch(ctx: typer.Context, video: VideoArgument, creator: Creator = None, as_json: Json = False) -> None:
    """Follow a video until it is over: 0 completed, 1 failed. As JSON, one line for each change of its status."""
    from chronos import queries
    from chronos.cli.uploading import changes, follow

    state: State = ctx.obj

    async def ask() -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with state.tables() as pool:
            known = await queries.status(pool, video, creator)
            run = (pool, known["creatorId"], video, known["runId"])
            if not as_json:
                return await follow(*run)
            async for found in changes(*run):
                print_line(found)
            return found

    found = asyncio.run(ask())
    if not as_json:
        out().print(videos_table([found]))
    if found["status"] == "failed":
        raise typer.Exit(1)


def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(help="What to look for, in any words.")],
    creator: Annotated[str | None, typer.Option("--creator", "-c", help="Only this creator's videos.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Hits at most.")] = 10,
    as_json: Json = False,
) -> None:
    """Find where something is said, to the second."""
    from chronos.searching import search as find

    state: State = ctx.obj
    hits = asyncio.run(find(state.settings(), " ".join(words), creator, limit))
    if as_json:
        print_json({"hits": [hit_to_json(hit) for hit in hits]})
    elif hits:
        show_hits(hits)
    else:
        err().print("nothing found")


def show_hits(hits: Any) -> None:
    """Each hit with its place, and the words marked."""
    from rich.text import Text

    for hit in hits:
        place = f"{clock(hit.start_seconds)}–{clock(hit.end_seconds)}"
        out().print(Text.assemble((hit.title or hit.video_id, "bold"), (f"  {place}", "cyan"), f"  {hit.creator_id}"))
        out().print(Text.assemble("  ", marked(hit.marked)))


def marked(text: str) -> Any:
    """The text with what lies between \\x02 and \\x03 in bold."""
    from rich.text import Text

    found = Text()
    for part in text.split("\x02"):
        strong, end, rest = part.partition("\x03")
        found.append(strong, "bold yellow" if end else None)
        found.append(rest)
    return found


def hit_to_json(hit: Any) -> dict[str, Any]:
    return {
        "videoId": hit.video_id,
        "creatorId": hit.creator_id,
        "title": hit.title,
        "startSeconds": hit.start_seconds,
        "endSeconds": hit.end_seconds,
        "text": hit.text,
        "score": hit.score,
    }


def videos_table(rows: list[dict[str, Any]]) -> Table:
    """Videos as a table."""
    from rich.table import Table
    from rich.text import Text

    from chronos.queries import in_words

    table = Table("video", "creator", "title", "length", "language", "status", "cost", box=None, header_style="bold")
    for row in rows:
        said = Text(in_words(row), COLOURS.get(row["status"], "yellow"))
        if row["error"]:
            said.append(f": {row['error']['message']}", "default")
        cells = (
            row["videoId"],
            row["creatorId"],
            row["title"] or "",
            clock(row["durationSeconds"]),
            row["language"] or "",
        )
        table.add_row(*(Text(cell) for cell in cells), said, dollars(row["costMicroUsd"]))
    return table


def _plain(text: str) -> str:
    """Text of others, whose brackets are no markup."""
    from rich.markup import escape

    return escape(text)
