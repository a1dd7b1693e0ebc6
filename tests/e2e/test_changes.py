"""Server-sent events on a real log: nothing missed, nothing twice, soon, and not much memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest

from benchmarks.history import History, write
from chronos import app
from chronos.api.server import LAST
from chronos.changes import NAMES
from streams.cursor import Cursors
from tests.e2e.conftest import Served, serving
from tests.stack import Hands, Stack, new_stack, until

VIDEOS, CUTS, STATUSES = 200, 20, 5


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """No functions: the facts are written here."""
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_projection()
        yield stack


@dataclass
class Said:
    """One server-sent event."""

    kind: str
    id: str
    data: dict[str, Any]


@asynccontextmanager
async def stream(
    url: str, path: str, last: str | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[AsyncIterator[Said]]:
    headers = {**(headers or {}), **({"Last-Event-ID": last} if last else {})}
    timeout = httpx.Timeout(10, read=30)
    async with httpx.AsyncClient(base_url=url, timeout=timeout) as client, client.stream(
        "GET", path, headers=headers
    ) as answer:  # fmt: skip
        assert answer.status_code == 200, await answer.aread()
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[Said]:
    """As the standard has it, with the ids that come alone."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields.keys() & {"id", "data"}:
            yield Said(fields.get("event", ""), fields.get("id", ""), json.loads(fields.get("data", "{}")))
            fields = {}


async def told(events: AsyncIterator[Said]) -> Said:
    """The next one that says something: an id alone comes at the beginning, and now and then."""
    while not (one := await anext(events)).kind:
        pass
    return one


async def test_a_thousand_changes_are_seen_once_each_by_a_client_that_is_cut_off_twenty_times(
    hands: Hands, stack: Stack, url: str
):
    """It comes to one server and to another by turns, and the first one is stopped under it in the end."""
    with serving(stack) as other:
        await _watched_through_cuts(hands, [other, Served(url, 0)])


async def _watched_through_cuts(hands: Hands, servers: list[Served]) -> None:
    seen: list[tuple[str, str]] = []
    last: str | None = None
    written: asyncio.Task[int] | None = None
    for cut in range(CUTS + 1):
        share = VIDEOS * STATUSES * (cut + 1) // (CUTS + 1)
        server = servers[cut % 2]
        async with stream(server.url, "/v1/changes", last) as events:
            async for one in events:
                written = written or asyncio.create_task(write(app.cluster(hands.settings), History(16), VIDEOS))
                last = one.id
                if one.kind == "status":
                    seen.append((one.data["runId"], one.data["status"]))
                if len(seen) >= share:
                    break
    assert written is not None
    await written
    assert len(set(seen)) == len(seen) == VIDEOS * STATUSES
    assert Counter(status for _, status in seen) == Counter(
        dict.fromkeys(("pending", "transcribing", "processing", "embedding", "completed"), VIDEOS)
    )


async def test_each_state_is_told_within_300_ms_of_its_fact(hands: Hands, url: str):
    took = []
    async with stream(url, "/v1/videos/ada/soon/changes") as events:
        await anext(events)
        for _ in range(20):
            began = time.monotonic()
            await hands.ask("soon", "ada", "soon.mp4")
            assert (await told(events)).data["status"] == "pending"
            took.append(time.monotonic() - began)
    assert max(took) < 0.3, took


async def test_a_stream_tells_of_what_it_was_asked_for_and_nothing_else(hands: Hands, url: str):
    async with (
        stream(url, "/v1/changes?creator=ada") as of_creator,
        stream(url, "/v1/videos/ada/mine/changes") as of_video,
    ):
        for events in (of_creator, of_video):
            assert (await anext(events)).kind == ""
        await hands.ask("mine", "bob", "x.mp4")
        await hands.ask("other", "ada", "x.mp4")
        sent = await hands.ask("mine", "ada", "x.mp4")
        async with stream(url, f"/v1/runs/{sent.run_id}/changes") as of_run:
            assert (await anext(of_run)).kind == ""
        heard = [
            (one.data["creatorId"], one.data["videoId"]) for one in [await told(of_creator), await told(of_creator)]
        ]
        assert heard == [("ada", "other"), ("ada", "mine")]
        assert (await told(of_video)).data["runId"] == sent.run_id


async def test_a_server_that_is_told_to_stop_ends_its_streams_and_another_goes_on(hands: Hands, stack: Stack, url: str):
    with serving(stack) as first:
        async with stream(first.url, "/v1/videos/ada/moved/changes") as events:
            last = (await anext(events)).id
            os.kill(first.pid, signal.SIGTERM)
            began = time.monotonic()
            assert [one async for one in events] == []
            assert time.monotonic() - began < LAST
    sent = await hands.ask("moved", "ada", "x.mp4")
    async with stream(url, "/v1/videos/ada/moved/changes", last) as events:
        assert (await told(events)).data["runId"] == sent.run_id


async def test_a_key_of_one_creator_hears_nothing_of_another(hands: Hands, stack: Stack):
    bound = f"sha256:{hashlib.sha256(b'reader').hexdigest()}@ada"
    with serving(stack, CHRONOS_READING_KEY=bound) as served:
        headers = {"Authorization": "Bearer reader"}
        hidden = await hands.ask("hidden", "bob", "x.mp4")
        async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=15) as client:
            assert (await client.get("/v1/changes?creator=bob")).status_code == 403
            assert (await client.get("/v1/videos/bob/hidden/changes")).status_code == 403
            assert (await client.get(f"/v1/runs/{hidden.run_id}/changes")).status_code == 404
        async with stream(served.url, "/v1/changes", headers=headers) as events:
            await anext(events)
            await hands.ask("hidden", "bob", "x.mp4")
            await hands.ask("shown", "ada", "x.mp4")
            assert (await told(events)).data["videoId"] == "shown"


async def test_who_was_away_while_the_topics_were_made_anew_is_told_to_begin_anew(hands: Hands, url: str):
    others = Cursors(dict.fromkeys(NAMES, ("another-uuid", 12))).write({})
    async with stream(url, "/v1/changes", others) as events:
        assert (await anext(events)).kind == "reset"
        assert (await anext(events)).id


async def test_a_cursor_that_is_none_is_refused_and_a_run_that_is_not_known_is_said(url: str):
    async with httpx.AsyncClient(base_url=url, timeout=15) as client:
        assert (await client.get("/v1/changes", headers={"Last-Event-ID": "nonsense"})).status_code == 422
        unknown = await client.get("/v1/runs/018f3c1e-7a00-7000-8000-00000000002a/changes")
        assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")


async def test_two_hundred_open_streams_cost_under_100_mb_and_all_are_told(hands: Hands, served: Served):
    process = psutil.Process(served.pid)
    before = process.memory_info().rss
    async with AsyncExitStack() as streams:
        opened = [await streams.enter_async_context(stream(served.url, "/v1/changes")) for _ in range(200)]
        for events in opened:
            await anext(events)
        sent = await hands.ask("to-all", "ada", "x.mp4")
        heard = [(await told(events)).data["runId"] for events in opened]
        grown = process.memory_info().rss - before
    assert heard == [sent.run_id] * 200
    assert grown < 100 << 20, f"{grown / (1 << 20):.0f} MB"

    async def all_let_go() -> bool:
        return len([one for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]) < 100

    await until("the server lets go of them", all_let_go)
