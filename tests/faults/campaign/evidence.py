"""What is left after a campaign: read from the log, the tables, the journal and the provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chronos import app
from chronos.config import Settings
from chronos.verifying import verify
from schemas.topics import TOPICS
from streams.postgres import connect
from streams.reading import LogScan
from tests.faults.campaign.load import Asked
from tests.faults.campaign.striking import Fault
from tests.faults.campaign.world import Exit, World

FINISHED = ("embeddings.completed", "function.failed")
COMMANDS = ("transcribe.requested", "chunk.requested", "embeddings.batch-reprocess", "dead-letter")


@dataclass(frozen=True)
class Call:
    """A call as the provider saw it. `caller` is the life of the worker that made it; times since 1970."""

    kind: str  # audio, embeddings
    caller: str
    films: tuple[int, ...]
    started: float
    ended: float
    fault: str | None
    status: int | None
    gone: bool
    contents: tuple[str, ...]  # sha256 of each content that was paid for; none where nothing was

    @classmethod
    def read(cls, line: dict[str, Any]) -> Call:
        """One out of GET /calls. What is still in the air ends when the world does."""
        films = tuple(int(one.partition("/")[0]) for one in line["about"])
        caller = line["headers"].get("authorization", "").removeprefix("Bearer ")
        contents = tuple(line["charge"]["sha256"]) if line["charge"] else ()
        ended = line["ended"] if line["ended"] is not None else float("inf")
        return cls(line["kind"], caller, films, line["started"], ended, line["fault"], line["status"], line["gone"],
                   contents)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """How far the run of a request is, as the tables say."""

    status: str
    error: str = ""
    message: str = ""


@dataclass(frozen=True)
class Spend:
    """A paid call as the journal keeps it."""

    at: float
    function: str
    video: str
    keys: tuple[str, ...]


@dataclass
class Evidence:
    """All that the judge needs to know."""

    seed: int
    faults: list[Fault]
    asked: list[Asked]
    runs: dict[str, Run] = field(default_factory=dict)  # by run id
    calls: list[Call] = field(default_factory=list)
    spends: list[Spend] = field(default_factory=list)
    told: int = 0  # paid calls on the bill that the tables show
    facts: list[float] = field(default_factory=list)  # when each was written, in order
    finished: list[float] = field(default_factory=list)  # those with which a video ends
    dead_letters: int = 0
    differences: list[str] = field(default_factory=list)
    without_ending: list[str] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    stubborn: list[str] = field(default_factory=list)
    seconds: float = 0.0
    crashes: int = 0  # most that one run has seen


async def gather(world: World, seed: int, faults: list[Fault], asked: list[Asked]) -> Evidence:
    """Reads everything, in a world that is quiet."""
    settings = world.settings()
    found = Evidence(seed, faults, asked, exits=world.exits, stubborn=world.stubborn)
    found.calls = [Call.read(line) for line in await world.calls()]
    await _read_tables(settings, found)
    await asyncio.to_thread(_read_log, settings, found)
    report = await verify(settings)
    found.differences = report.differences
    found.without_ending = [
        f"{run['videoId']} of {run['creatorId']} ({run['status']})" for run in report.without_ending
    ]
    return found


async def _read_tables(settings: Settings, found: Evidence) -> None:
    async with app.projection_pool(settings) as pool:
        for row in await pool.fetch("SELECT run_id::text, status, error FROM runs"):
            error = json.loads(row["error"]) if row["error"] else {}
            found.runs[row["run_id"]] = Run(row["status"], error.get("type", ""), error.get("message", ""))
        found.told = await pool.fetchval("SELECT count(*) FROM usage WHERE NOT memoized")
    journal = await connect(settings.database(), most=1)
    try:
        sql = "SELECT extract(epoch FROM spent_at)::float8, function, video_id, keys FROM journal.spends ORDER BY 1"
        found.spends = [
            Spend(at, function, video, tuple(keys)) for at, function, video, keys in await journal.fetch(sql)
        ]
        found.crashes = await journal.fetchval("SELECT coalesce(max(crashes), 0) FROM journal.runs")
    finally:
        await journal.close()


def _read_log(settings: Settings, found: Evidence) -> None:
    for topic, written in _written(settings):
        if topic == "dead-letter":
            found.dead_letters += 1
        if topic not in COMMANDS:
            found.facts.append(written)
        if topic in FINISHED:
            found.finished.append(written)
    found.facts.sort()
    found.finished.sort()


def _written(settings: Settings) -> Iterator[tuple[str, float]]:
    """Topic and time of each record."""
    scan = LogScan(app.cluster(settings))
    ends = scan.ends({name: topic.partitions for name, topic in TOPICS.items()})
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    for batch in scan.read(until, begins):
        for record in batch:
            yield record.topic, record.timestamp_ms / 1000
