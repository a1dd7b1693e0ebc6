"""chronos verify: the log folded anew into a scratch schema, and compared with the live tables row by row."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from chronos import app
from chronos.adapters import vectors
from chronos.config import Settings
from chronos.folding import folding
from chronos.pipeline import TABLES
from streams.postgres import Connection, Pool, load_queries
from streams.projector import Place
from streams.reading import LogScan

SQL = load_queries("projections.sql", "verify.sql")

Progress = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)

SHOWN = 20  # differences by table

DERIVED = {"served": ("creator_id", "video_id")}


@dataclass
class Report:
    """What the comparison found, as of the live tables' checkpoints at its start."""

    facts: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)
    without_ending: list[dict[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.differences and not self.without_ending


async def verify(settings: Settings, progress: Progress = lambda what, share: None) -> Report:
    """Works while the system runs: the live side is read in one snapshot, with the checkpoints that belong to it.

    A run counts as without an ending when its function has committed past its request and its last event is not there.
    """
    report = Report()
    async with (
        app.projection_pool(settings) as live,
        live.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
        _scratch(settings) as scratch,
    ):
        rows = await connection.fetch(SQL["checkpoints"])
        until = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        report.facts = await _fold(settings, scratch, until, progress)
        for number, (name, key) in enumerate(_tables().items()):
            progress("compare", number / (len(TABLES) + len(DERIVED)))
            await _compare(name, key, connection, scratch, report)
        report.without_ending = await _without_ending(settings, connection)
    progress("compare", 1.0)
    return report


def _tables() -> dict[str, tuple[str, ...]]:
    return {table.name: tuple(table.key) for table in TABLES} | DERIVED


@asynccontextmanager
async def _scratch(settings: Settings) -> AsyncIterator[Pool]:
    """Tables of its own, gone at the end."""
    schema = f"verify_{uuid.uuid4().hex[:8]}"
    try:
        async with app.projection_pool(settings, most=2, schema=schema) as pool:
            yield pool
    finally:
        await app.drop_schema(settings, schema)


async def _fold(settings: Settings, scratch: Pool, until: Mapping[Place, int], progress: Progress) -> int:
    """Folds the log up to the checkpoints; gives the number of records."""
    folded = await folding(settings, scratch, vectors.Partitions("none"))
    scan = LogScan(app.cluster(settings))
    partitions = {topic: folded.topic_ids[topic][1] for topic in folded.topics()}
    begins = {place: low for place, (low, _) in (await asyncio.to_thread(scan.ends, partitions)).items()}
    total = sum(max(0, end - begins[place]) for place, end in until.items())
    expected: dict[Place, int | None] = {}
    done = 0
    batches = scan.read(until, begins)
    while (records := await asyncio.to_thread(next, batches, None)) is not None:
        if records:
            expected |= await folded.apply(records, expected)
            done += len(records)
        progress("fold", done / max(1, total))
    return done


async def _compare(name: str, key: tuple[str, ...], live: Connection, scratch: Pool, report: Report) -> None:
    """Rows by key, each as a digest of its whole text."""
    columns = ", ".join(f'"{column}"' for column in key)
    sql = SQL["digests"].replace("key_columns", columns).replace("table_name", f'"{name}"')
    here = {tuple(row)[:-1]: row["digest"] for row in await live.fetch(sql)}
    async with scratch.acquire() as connection:
        there = {tuple(row)[:-1]: row["digest"] for row in await connection.fetch(sql)}
    report.rows += len(here)
    found = [
        *(f"{name} {_shown(key, row)}: in the tables, and not in the log" for row in here.keys() - there.keys()),
        *(f"{name} {_shown(key, row)}: in the log, and not in the tables" for row in there.keys() - here.keys()),
        *(f"{name} {_shown(key, row)}: differs" for row in here.keys() & there.keys() if here[row] != there[row]),
    ]
    report.differences += sorted(found)[:SHOWN]
    if len(found) > SHOWN:
        report.differences.append(f"{name}: and {len(found) - SHOWN} more")


def _shown(key: tuple[str, ...], row: tuple[Any, ...]) -> str:
    return ", ".join(f"{column}={value}" for column, value in zip(key, row, strict=True))


async def _without_ending(settings: Settings, live: Connection) -> list[dict[str, str]]:
    """Runs that are open though no function has anything in hand."""
    rows = await live.fetch(SQL["open_runs"])
    if not rows or await app.total_lag(settings) > 0:
        return []
    return [
        {"creatorId": r["creator_id"], "videoId": r["video_id"], "runId": str(r["run_id"]), "status": r["status"]}
        for r in rows
    ]
