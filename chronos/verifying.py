"""chronos verify: the log folded anew and compared with the live tables row by row, and the bill with the journal.

It works while the system runs. What functions have acked is read first, then tables and journal in one snapshot, then
the log's ends, effects before causes. Whatever the former speak of is below the latter, so that a difference is one
whatever is going on meanwhile; what is not over at the start is counted as open.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chronos import app, auditing
from chronos.config import Settings
from chronos.pipeline import FUNCTIONS, TABLES
from chronos.refolding import Acked, Ends, Progress, Refolding, acked, log_ends
from chronos.report import Report
from schemas.topics import DEAD_LETTER
from streams.journal import prepare
from streams.postgres import Connection, Pool, Row, load_queries
from streams.projector import Place
from streams.reading import committed

SQL = load_queries("projections.sql", "verify.sql")

SWEEP_GRACE = 120.0
"""Seconds. Workers tell twice a minute of calls that came late: below a minute such a call would be a difference."""

DEAD_LETTERS_GROUP = "chronos.deadletters"

DERIVED = {"served": ("creator_id", "video_id")}
LIVE_FINDINGS = {"chunks_without_vector": "chunksWithoutVector", "vectors_without_chunk": "vectorsWithoutChunk"}
FOLDED_FINDINGS = {"unfilled_sets": "chunksWithoutVector"}
CONSUMERS = {event.name: function.group() for function in FUNCTIONS for event in function.consumes}


@dataclass(frozen=True)
class Start:
    """Where everything stood when the verification began."""

    acked: Acked
    folded: Mapping[Place, int]  # the live tables' checkpoints
    ends: Ends


async def verify(
    settings: Settings, progress: Progress = lambda what, share: None, *, grace: float = SWEEP_GRACE
) -> Report:
    """Everything as of its start.

    Raises:
        TopicChanged: the tables were folded from another log.
    """
    report = Report()
    async with _scratch(settings) as (schema, scratch):
        async with scratch.acquire() as connection:
            await connection.execute(auditing.SQL["notes"])
        start = await _start(settings, schema, report, progress)
        refolding = await Refolding.begin(settings, scratch, start.ends, progress)
        await refolding.fold(start.folded)
        await _compare_tables(scratch, report, progress)
        await refolding.fold({place: high for place, (_, high) in start.ends.items()})
        report.facts = refolding.done
        await _audit(scratch, start, report, grace)
    report.dead_letters = await _dead_letters(settings)
    progress("compare", 1.0)
    return report


@asynccontextmanager
async def _scratch(settings: Settings) -> AsyncIterator[tuple[str, Pool]]:
    """Tables of its own, gone at the end."""
    schema = f"verify_{uuid.uuid4().hex[:8]}"
    try:
        async with app.projection_pool(settings, most=2, schema=schema) as pool:
            yield schema, pool
    finally:
        await app.drop_schema(settings, schema)


async def _start(settings: Settings, schema: str, report: Report, progress: Progress) -> Start:
    done = await acked(settings)
    async with app.projection_pool(settings, most=2) as live:
        if await live.fetchval("SELECT to_regclass('journal.spends') IS NULL"):
            await prepare(live)  # no worker has run yet: its tables are empty
        async with live.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            rows = await connection.fetch(SQL["checkpoints"])
            for number, (name, key) in enumerate(_tables().items()):
                progress("look", 0.1 * number / len(_tables()))
                report.rows += await _keep_digests(connection, schema, name, key)
            for kept in auditing.KEPT:
                await connection.execute(_into(schema, auditing.SQL[kept]))
            for query, kind in LIVE_FINDINGS.items():
                report.add(kind, await connection.fetch(SQL[query], report.SHOWN))
    ends = await log_ends(settings)
    return Start(done, _within(rows, ends, report), ends)


def _tables() -> dict[str, tuple[str, ...]]:
    return {table.name: tuple(table.key) for table in TABLES} | DERIVED


def _into(schema: str, sql: str) -> str:
    """The statement for a schema of ours."""
    return sql.replace("scratch.", f'"{schema}".')


def _of(name: str, key: tuple[str, ...], sql: str) -> str:
    """The statement for one table: names come from code."""
    columns = ", ".join(f'"{column}"' for column in key)
    return sql.replace("key_columns", columns).replace("table_name", f'"{name}"').replace("live_", f"live_{name}_")


async def _keep_digests(live: Connection, schema: str, name: str, key: tuple[str, ...]) -> int:
    """Gives how many rows there are."""
    said = await live.execute(_into(schema, _of(name, key, SQL["keep_digests"])), timeout=None)
    return int(said.rpartition(" ")[2])


def _within(rows: list[Row], ends: Ends, report: Report) -> dict[Place, int]:
    """The checkpoints, none of them beyond the log."""
    folded = {}
    for row in rows:
        place = (row["topic"], row["partition"])
        _, high = ends.get(place, (0, 0))
        if row["next_offset"] > high:
            said = (
                f"{place[0]}/{place[1]}: the tables were folded up to {row['next_offset']}, and the log ends at {high}"
            )
            report.add("log", [{"what": said, "total": 1}])
        folded[place] = min(high, row["next_offset"])
    return folded


async def _compare_tables(scratch: Pool, report: Report, progress: Progress) -> None:
    for number, (name, key) in enumerate(_tables().items()):
        progress("compare", 0.85 + 0.1 * number / len(_tables()))
        found = await scratch.fetch(_of(name, key, SQL["compare"]), report.SHOWN, timeout=None)
        shown = [", ".join(f"{column}={row[column]}" for column in key) for row in found]
        report.add(
            "rows",
            [
                {"what": f"{name} {where}: {row['what']}", "total": row["total"]}
                for where, row in zip(shown, found, strict=True)
            ],
        )


async def _audit(scratch: Pool, start: Start, report: Report, grace: float) -> None:
    """What needs the whole log: sets, money and endings."""
    async with scratch.acquire() as connection:
        await auditing.sort_out(connection, grace)
        for query, kind in FOLDED_FINDINGS.items():
            report.add(kind, await connection.fetch(SQL[query], report.SHOWN))
        for query, kind in auditing.FINDINGS.items():
            report.add(kind, await connection.fetch(auditing.SQL[query], report.SHOWN))
        report.open = await auditing.going_on(connection)
        runs = await connection.fetch(SQL["open_runs"])
    lost = [run for run in runs if not _is_going_on(run, start.acked)]
    report.open["requests"] = len(runs) - len(lost)
    report.without_ending = [
        {"creatorId": r["creator_id"], "videoId": r["video_id"], "runId": str(r["run_id"]), "status": r["status"]}
        for r in lost
    ]


def _is_going_on(run: Row, done: Acked) -> bool:
    """Some function has still to ack the request, or the transcript that it gave. After that its ending is there."""
    places = [(run["topic"], run["partition"], run["offset"])]
    if run["next_topic"] is not None:
        places.append((run["next_topic"], run["next_partition"], run["next_offset"]))
    return any(done[CONSUMERS[topic]].get((topic, partition), 0) <= offset for topic, partition, offset in places)


async def _dead_letters(settings: Settings) -> int:
    """Records that nobody has looked after."""
    ends = await log_ends(settings, [DEAD_LETTER])
    seen = await asyncio.to_thread(committed, app.cluster(settings), DEAD_LETTERS_GROUP, ends)
    return sum(high - max(low, seen.get(place, low)) for place, (low, high) in ends.items())
