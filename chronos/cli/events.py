"""Commands that speak with the log itself, `send` and `topics`, and `graph`, which draws who speaks with whom."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli.state import Json, State, WrongUse, err, out, print_json, print_text

if TYPE_CHECKING:
    from chronos.config import Settings
    from chronos.sending import Sent
    from schemas.event import Event

PANEL = "The log"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL, epilog=SEND_EXAMPLES)(send)
    app.command(rich_help_panel=PANEL)(topics)
    app.command(rich_help_panel=PANEL)(graph)


SEND_EXAMPLES = """Examples:

chronos send transcribe.requested --example

chronos send transcribe.requested '{"videoId": "v1", "creatorId": "ada", "storagePath": "ada/v1.mp4"}'

chronos send transcribe.requested --example | chronos send transcribe.requested -

chronos send embeddings.batch-reprocess @batch.json"""


def send(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="Topic of a command, e.g. transcribe.requested.")],
    payload: Annotated[str | None, typer.Argument(metavar="JSON", help="The event; - reads it, @file too.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Print an event of this topic, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send an event. Its fields are checked first: what is wrong is named, and nothing is sent."""
    from schemas import people

    name = people.topic_of(topic)
    if example:
        print_json(_example(name))
        return
    event = people.from_json(name, _read(payload), extra="forbid")
    state: State = ctx.obj
    sent = asyncio.run(deliver(state.settings(), event))
    if as_json:
        print_json(_as_json(sent))
    else:
        place = sent.place
        out().print(f"[green]✓[/] {place.topic}  partition {place.partition}  offset {place.offset}")
        out().print(f"  run {sent.run_id}")


async def deliver(settings: Settings, *events: Event) -> Sent:
    """Puts events on the log and gives the last one."""
    from chronos.app import cluster, topic_ids
    from chronos.sending import sender

    ids = await topic_ids(settings)
    async with sender(cluster(settings), ids, "cli") as sending:
        for event in events:
            sent = await sending.send(event)
    return sent


def _example(topic: str) -> dict[str, Any]:
    from schemas import people

    if topic not in people.EXAMPLES:
        raise WrongUse(f"{topic} takes no JSON; these do: {', '.join(people.EXAMPLES)}")
    return people.example(topic)


def _read(payload: str | None) -> bytes:
    if payload is None:
        if sys.stdin.isatty():
            raise WrongUse("what shall be sent? Give JSON, @file, or - to read it; --example prints one")
        payload = "-"
    if payload == "-":
        return sys.stdin.buffer.read()
    if not payload.startswith("@"):
        return payload.encode()
    try:
        return Path(payload[1:]).read_bytes()
    except OSError as error:
        raise WrongUse(f"{payload[1:]} cannot be read: {error.strerror}") from error


def _as_json(sent: Sent) -> dict[str, Any]:
    place = sent.place
    return {"topic": place.topic, "partition": place.partition, "offset": place.offset, "runId": sent.run_id}


def topics(
    ctx: typer.Context,
    create: Annotated[bool, typer.Option("--create", help="Make those that are missing.")] = False,
    as_json: Json = False,
) -> None:
    """The topics as the code has them, beside what the broker has."""
    from chronos import app
    from chronos.broker import Broker
    from schemas.topics import TOPICS
    from streams.kafka import Topics

    state: State = ctx.obj
    cluster = app.cluster(state.settings())
    if create:
        made = Topics(cluster).create(TOPICS.values())
        err().print(f"made: {', '.join(made)}" if made else "all topics are there already")
    found = Broker(cluster).topics()
    rows = [_topic_row(topic.name, found) for topic in TOPICS.values()]
    print_json(rows) if as_json else _show_topics(rows)
    if any(row["differs"] for row in rows):
        raise typer.Exit(1)


def _topic_row(name: str, found: Any) -> dict[str, Any]:
    from chronos.broker import differences
    from schemas.topics import TOPICS

    topic, there = TOPICS[name], found.get(name)
    return {
        "topic": name,
        "kind": topic.kind,
        "key": topic.key,
        "partitions": topic.partitions,
        "onBroker": None if there is None else {"partitions": there.partitions, "records": there.records},
        "differs": ["missing"] if there is None else differences(topic, there),
    }


def _show_topics(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("topic", "kind", "key", "partitions", "records", "", box=None, header_style="bold")
    for row in rows:
        there = row["onBroker"] or {}
        verdict = f"[red]{'; '.join(row['differs'])}[/]" if row["differs"] else "[green]✓[/]"
        records = f"{there['records']:,}" if there else ""
        table.add_row(row["topic"], row["kind"], row["key"], str(row["partitions"]), records, verdict)
    out().print(table)
    if any("missing" in row["differs"] for row in rows):
        err().print("`chronos topics --create` makes what is missing")


def graph(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a flowchart for Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """The pipeline, drawn from the code: what each function reads and says."""
    from chronos import graph

    drawn = graph.graph()
    if as_json:
        print_json(drawn.to_json())
    else:
        print_text(graph.as_mermaid(drawn) if mermaid else graph.as_text(drawn))
