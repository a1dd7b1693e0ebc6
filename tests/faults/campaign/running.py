"""One campaign from its beginning to its verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from chronos import app
from chronos.sending import sender
from streams.postgres import AWAY
from tests.faults.campaign.evidence import Evidence, gather
from tests.faults.campaign.judge import Verdict, judge
from tests.faults.campaign.load import Load, requests
from tests.faults.campaign.plan import Bounds, plan
from tests.faults.campaign.report import fault_line
from tests.faults.campaign.striking import Fault, Striker
from tests.faults.campaign.world import EASE, World

STALLED = 90.0
"""Seconds of quiet without a new ending, after which what is open counts as lost: the longest wait that a run may
have then is a retry's backoff (20 s) and a dead worker's session and lease (10 s)."""
SETTLING = 75.0  # seconds for the last bills to be told: the sweep comes every 30
LOOK = 1.0

OPEN = "SELECT count(*) FROM runs WHERE asked_version IS NOT NULL AND status NOT IN ('completed', 'failed')"
KNOWN = "SELECT count(*) FROM runs WHERE asked_version IS NOT NULL"
UNTOLD = "SELECT (SELECT count(*) FROM journal.spends) - (SELECT count(*) FROM usage WHERE NOT memoized)"


@dataclass(frozen=True)
class Campaign:
    """What is to be done. `seconds`: for how long load and faults go on, before the quiet."""

    seed: int
    faults: int
    videos: int
    seconds: float
    workers: int = 2
    longest_pause: float = 90.0


async def run(campaign: Campaign, home: Path, tell: Callable[[str], None]) -> tuple[Evidence, Verdict]:
    """Runs it in a world of its own under `home`, whose logs stay there."""
    world = World(home, tell=tell)
    began = time.time()
    try:
        await world.open(campaign.workers)
        async with _chore(world.supervise()):
            load, faults = await _trouble(campaign, world, tell)
            await _quiet(world, load, tell)
            evidence = await gather(world, campaign.seed, faults, load.asked)
        evidence.seconds = time.time() - began
        return evidence, judge(evidence, world.lease)
    finally:
        await world.close()


async def _trouble(campaign: Campaign, world: World, tell: Callable[[str], None]) -> tuple[Load, list[Fault]]:
    """Load and faults side by side."""
    settings = world.settings()
    wanted = requests(campaign.seed, campaign.videos, campaign.seconds)
    bounds = Bounds(campaign.seconds, campaign.workers, world.lease, campaign.longest_pause)
    since, began = time.time(), asyncio.get_running_loop().time()
    striker = Striker(world, lambda fault: tell(fault_line(fault, since)))
    async with sender(app.cluster(settings), await app.topic_ids(settings), "campaign") as send:
        load = Load(world.home / "store", send)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(wanted, began))
            group.create_task(striker.run(plan(campaign.seed, campaign.faults, bounds), began))
    return load, striker.faults


async def _quiet(world: World, load: Load, tell: Callable[[str], None]) -> None:
    """No more faults: waits until every run has ended, or nothing ends any more; then for the last bills."""
    await world.order("forgive")
    await world.order("slow", seconds=EASE)
    last, since = -1, time.monotonic()
    while time.monotonic() - since < STALLED:
        known, still_open = await _counts(world)
        if known >= len(load.asked) and not still_open:
            break
        if known - still_open != last:
            last, since = known - still_open, time.monotonic()
            tell(f"quiet: {last} of {len(load.asked)} have ended")
        await asyncio.sleep(LOOK)
    deadline = time.monotonic() + SETTLING
    while time.monotonic() < deadline and await _ask(world, UNTOLD):  # noqa: ASYNC110  # another process changes it
        await asyncio.sleep(LOOK)


async def _counts(world: World) -> tuple[int, int]:
    return await _ask(world, KNOWN), await _ask(world, OPEN)


async def _ask(world: World, sql: str) -> int:
    """Waits while the database does not answer."""
    while True:
        try:
            async with app.projection_pool(world.settings(), most=1) as pool:
                return int(await pool.fetchval(sql))
        except (*AWAY, asyncpg.PostgresError):
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def _chore(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
