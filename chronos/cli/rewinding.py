"""`chronos rewind`: a group goes back in the log, or says its facts again; the plan comes first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chronos.cli.state import Json, State, dollars, err, out, print_json
from chronos.cli.words import instant, plain

if TYPE_CHECKING:
    from chronos.choosing import Question
    from chronos.planning import Plan
    from chronos.rewinding import Outcome

PANEL = "Operating"

EXAMPLES = """Examples:

chronos rewind generate-embeddings --to-earliest                      the plan: events, videos, calls, dollars, time

chronos rewind generate-embeddings --to-earliest --execute --plan 3f2a91c0 --reason "larger chunks"

chronos rewind transcribe-video --where error~=Timeout --since 1d --execute

chronos rewind transcribe-video --by-duration P1D --topic transcribe.requested:0,3

chronos rewind projection --to-current --export > before.csv       where it stands; --from-file goes back there"""


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL, epilog=EXAMPLES)(rewind)
    app.command(rich_help_panel=PANEL)(history)


def history(ctx: typer.Context, as_json: Json = False) -> None:
    """What operators did: rewinds, retries, redrives, with who, why, plan and outcome; the newest first."""
    import json

    from rich.table import Table

    from chronos import operations

    state: State = ctx.obj
    acts = asyncio.run(operations.told(state.settings()))
    if as_json:
        said = [act.model_dump(mode="json", by_alias=True) for act in acts]
        print_json([one | {"plan": json.loads(one["plan"]), "outcome": json.loads(one["outcome"])} for one in said])
        return
    table = Table(box=None, pad_edge=False)
    for name in ("when", "act", "target", "by", "why", "outcome"):
        table.add_column(name)
    for act in acts:
        when = act.acted_at.isoformat(" ", "seconds")
        table.add_row(when, act.act, plain(act.target), plain(act.by), plain(act.reason or ""), plain(act.outcome))
    out().print(table if acts else "no operator has done anything yet")


def rewind(
    ctx: typer.Context,
    group: Annotated[str, typer.Argument(help="A function, or projection: with or without chronos. before it.")],
    to_earliest: Annotated[bool, typer.Option("--to-earliest", help="To the beginning of the log.")] = False,
    to_latest: Annotated[bool, typer.Option("--to-latest", help="To its end: skips what waits.")] = False,
    to_current: Annotated[bool, typer.Option("--to-current", help="To where it is.")] = False,
    to_datetime: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="To the first event since 2026-11-25T08:30:00.000 (UTC)."),
    ] = None,
    by_duration: Annotated[
        str | None, typer.Option(metavar="PnDTnHnMnS", help="To the first event of so long ago: P7D, PT2H30M.")
    ] = None,
    shift_by: Annotated[
        int | None, typer.Option(metavar="N", help="By N events in each partition; -N is back.")
    ] = None,
    to_offset: Annotated[int | None, typer.Option(metavar="N", min=0, help="To this offset of each partition.")] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="To the offsets in a CSV file: topic,partition,offset."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            "-w",
            help="No offsets, but inputs of which this holds: field=value, field!=value or field~=text, with creator, "
            "video, status, error, model, version. May be repeated.",
        ),
    ] = None,
    video: Annotated[str | None, typer.Option(help="No offsets, but only this video.")] = None,
    since: Annotated[str | None, typer.Option(help="With those: only since 2h, 3d, or an ISO time.")] = None,
    before: Annotated[str | None, typer.Option(help="With those: only before.")] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="Only this topic, or name:0,1,2 for some partitions. May be repeated.")
    ] = None,
    export: Annotated[bool, typer.Option("--export", help="Print where it would go as CSV, and do nothing.")] = False,
    reemit: Annotated[
        bool, typer.Option("--reemit", help="What is over says its facts again; else it is acked in silence.")
    ] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without this the plan is shown.")] = False,
    plan: Annotated[str | None, typer.Option(metavar="NAME", help="Only if it is still this plan.")] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Events may be passed over without being processed.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why: it goes on the log.")] = None,
    as_json: Json = False,
) -> None:
    """Process a part of the log again: with the words of Kafka's own tool, the running workers obey.

    What is over and unchanged is acked in silence and costs nothing; what failed is tried anew; what would come out
    otherwise by now (another version, model or chunk size) runs again, and pays only for what the journal does not
    hold.
    """
    from chronos import offsets, planning, plans, rewinding
    from chronos.cli.operating import bar

    state: State = ctx.obj
    settings = state.settings()
    full = planning.full_name(group)
    question = _question(where, video, since, before)
    way = offsets.only_one(
        {
            "--to-earliest": offsets.Earliest() if to_earliest else None,
            "--to-latest": offsets.Latest() if to_latest else None,
            "--to-current": offsets.Current() if to_current else None,
            "--to-datetime": offsets.Moment(offsets.parse_moment(to_datetime)) if to_datetime else None,
            "--by-duration": offsets.ago(by_duration, datetime.now(UTC)) if by_duration else None,
            "--shift-by": offsets.Shift(shift_by) if shift_by is not None else None,
            "--to-offset": offsets.Offset(to_offset) if to_offset is not None else None,
            "--from-file": offsets.parse_file(from_file.read_text(), full) if from_file else None,
        },
        asked=question is not None,
    )
    with bar() as progress:
        if question is not None:
            work = planning.plan_chosen(settings, full, question, reemit=reemit, progress=progress)
        else:
            assert way is not None
            work = planning.plan(settings, full, way, topic or (), reemit=reemit, progress=progress)
        found = asyncio.run(work)
    if export:
        out().out(offsets.to_csv(found.targets), end="", highlight=False)
        return
    plans.check(found, plan)
    done = None
    if execute:
        found.allow(skip=skip)
        with err().status(f"{full} goes there"):
            done = asyncio.run(rewinding.execute(settings, found, reason=reason))
    if as_json:
        print_json(found.to_json() | ({"outcome": done.to_json()} if done else {}))
    else:
        _show(found, done)


def _question(
    where: list[str] | None, video: str | None, since: str | None, before: str | None
) -> Question | None:  # fmt: skip
    from chronos.choosing import FIELDS, Question
    from chronos.conditions import condition

    if not (where or video or since or before):
        return None
    return Question([condition(text, FIELDS) for text in where or ()], video, instant(since), instant(before))


def _show(plan: Plan, done: Outcome | None) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("topic", "partition", "from", "to", "events"):
        table.add_column(name, justify="left" if name == "topic" else "right")
    for (topic, partition), (at, to) in sorted(plan.moves.items()):
        if at != to:
            table.add_row(topic, str(partition), str(at), str(to), str(at - to) if at >= to else f"skips {to - at}")
    if table.row_count:
        out().print(table)
    for line in _lines(plan):
        out().print(line)
    if done is not None and plan.chosen is not None:
        out().print(f"[green]✓[/] rewind {done.number} of {plan.group}: {done.asked} inputs; its workers take them up")
    elif done is not None:
        how = "its workers went there" if done.live else "it has no workers; they will begin there"
        out().print(f"[green]✓[/] rewind {done.number} of {plan.group}: {done.moved} partitions, {how}")
    else:
        out().print(f"plan [bold]{plan.id}[/]: nothing was done; --execute --plan {plan.id} does it")


def _lines(plan: Plan) -> list[str]:
    seen, needs = plan.foresight, plan.foresight.needs
    lines = [f"{seen.events} events again, {seen.silent} of them over: acked in silence, no calls, no facts"]
    if seen.passed_over:
        lines.append(f"{seen.passed_over} are not for this function, or cannot be read")
    if seen.runs:
        lines.append(f"{seen.runs} run again, of {len(seen.videos)} videos of {len(seen.creators)} creators")
        lines.append(
            f"{needs.remembered} paid results remembered, {needs.calls} calls to pay: {dollars(needs.cost_micro_usd)}"
        )
    if needs.unknown:
        lines.append(
            f"of {needs.unknown} runs it is not known what they need: their videos were never opened, or not "
            "listened to in today's way"
        )
    if plan.follows:
        lines.append(f"what they say anew is processed by {', '.join(plan.follows)}: not counted here")
    if plan.skipped:
        lines.append(f"[red]{plan.skipped} events would never be processed[/]")
    lines.append(f"about {_span(plan.seconds)} with one worker")
    return lines


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
