"""How the system does: functions with lag and load, the overview, what doctor finds, and whether it is ready."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from chronos import app, doctor
from chronos.api import system_forms as forms
from chronos.api.problems import RESPONSES
from chronos.api.resources import Has, Overseeing, Resources
from chronos.broker import Broker, Group
from chronos.pipeline import FUNCTIONS
from streams.kafka import BrokerAway, Topics
from streams.postgres import AWAY, Row, load_queries
from streams.reading import oldest
from streams.stage import Function

SQL, PAGES = load_queries("projections.sql", "overview.sql"), load_queries("projections.sql", "pages.sql")
MOST = 500  # creators and functions with something under way
SOON = 2.0  # seconds for what a balancer asks every few of them

router = APIRouter(prefix="/v1", responses=RESPONSES)


@router.get("/functions", tags=["functions"])
async def functions(has: Has, _: Overseeing) -> forms.Functions:
    """The functions of the pipeline: groups with members and lag, load, and how long their runs took."""
    groups, waits = await asyncio.to_thread(_groups, has)
    load, durations = await asyncio.gather(has.pool.fetch(SQL["load"], MOST), has.pool.fetch(SQL["durations"]))
    took = {row["function"]: row for row in durations}
    under_way = defaultdict(list)
    for row in load:
        under_way[row["function"]].append(forms.Load.of(row))
    states = [
        _state(one, group, waits.get(group.name), took.get(one.name), under_way[one.name])
        for one, group in zip(FUNCTIONS, groups, strict=True)
    ]
    return forms.Functions(functions=states)


def _groups(has: Resources) -> tuple[list[Group], dict[str, float]]:
    """The groups of the functions, and how many seconds ago the oldest record of each was written that is not done."""
    cluster = app.cluster(has.settings)
    groups = Broker(cluster).groups([(one.group(), [event.name for event in one.consumes]) for one in FUNCTIONS])
    written = {group.name: oldest(cluster, group.waiting) for group in groups if group.waiting}
    return groups, {name: max(0.0, time.time() - ms / 1000) for name, ms in written.items() if ms is not None}


def _state(
    one: Function, group: Group, waits: float | None, took: Row | None, load: list[forms.Load]
) -> forms.FunctionState:
    return forms.FunctionState(
        name=one.name,
        version=one.version,
        consumes=[event.name for event in one.consumes],
        emits=[event.name for event in one.emits],
        attempts=one.retry.attempts,
        concurrency=one.limit,
        group=group.name,
        members=group.members,
        lag=group.lag,
        lag_seconds=waits,
        runs=took["runs"] if took else 0,
        p50_seconds=took["p50_seconds"] if took else None,
        p95_seconds=took["p95_seconds"] if took else None,
        load=load,
    )


@router.get("/overview", tags=["functions"])
async def overview(has: Has, _: Overseeing) -> forms.Overview:
    """The last hour in figures: what ended, what is under way, what failed, what today has cost."""
    throughput, load, failures, [cost] = await asyncio.gather(
        has.pool.fetch(SQL["throughput"]),
        has.pool.fetch(SQL["load"], MOST),
        has.pool.fetch(PAGES["failure_groups"], None),
        has.pool.fetch(SQL["cost_today"]),
    )
    return forms.Overview(
        throughput=[forms.Minute.of(row) for row in throughput],
        load=[forms.Load.of(row) for row in load],
        failures=[forms.FailureClass.of(row) for row in failures],
        paid_micro_usd=cost["paid_micro_usd"],
        saved_micro_usd=cost["saved_micro_usd"],
    )


@router.get("/doctor", tags=["health"])
async def examined(has: Has, _: Overseeing) -> forms.Findings:
    """What `chronos doctor` finds on this server's machine, within some six seconds; 200 also where that is bad."""
    found = await doctor.examine(has.settings)
    checks = [forms.Finding.model_validate(finding.to_json()) for finding in found]
    return forms.Findings(ok=all(check.ok for check in checks), checks=checks)


@router.get("/readiness", tags=["health"], responses={503: {"model": forms.Readiness}})
async def readiness(has: Has, response: Response) -> forms.Readiness:
    """Whether broker, tables and journal answer: what is sent gets onto the log, and what is asked for is found."""
    database, broker = await asyncio.gather(_tables(has), _broker(has))
    checks = {"database": database, "broker": broker}
    ready = all(said == "ok" for said in checks.values())
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return forms.Readiness(ready=ready, checks=checks)


async def _tables(has: Resources) -> str:
    try:
        await has.pool.fetchrow(SQL["tables_answer"], timeout=SOON)
    except AWAY as error:
        return type(error).__name__
    return "ok"


async def _broker(has: Resources) -> str:
    try:
        await asyncio.to_thread(lambda: Topics(app.cluster(has.settings)).brokers(SOON))
    except BrokerAway:
        return "no answer"
    return "ok"
