"""chronos import: what the old system has made is searchable here, nothing is paid for, and nothing is there twice."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from chronos.searching import search
from chronos.verifying import verify
from tests import old_system
from tests.e2e.test_how_to import follow
from tests.e2e.test_recovery import rows
from tests.e2e.test_rewind import caught_up, chronos
from tests.stack import Hands, Stack, until

VIDEOS = 1000


@pytest.fixture(scope="module")
async def old(stack: Stack) -> str:
    """URL of an old database on the stack's server."""
    connection = await asyncpg.connect(stack.database)
    await connection.execute("CREATE DATABASE old_system")
    await connection.close()
    url = urlunsplit(urlsplit(stack.database)._replace(path="/old_system"))
    await old_system.make(url, VIDEOS)
    return url


async def said(stack: Stack, *words: str) -> Any:
    done = await chronos(stack, "import", *words, "--json")
    assert done.exit_code == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


async def searchable(hands: Hands) -> int:
    return int(await hands.pool.fetchval("SELECT count(*) FROM videos WHERE searchable"))


async def test_a_thousand_old_videos_are_searchable_for_nothing_and_twice_gives_the_same_tables(
    hands: Hands, stack: Stack, old: str
):
    planned = await said(stack, "--from", old)
    assert (planned["ready"], planned["here"], planned["left"], planned["executed"]) == (VIDEOS, 0, [], False)
    assert await searchable(hands) == 0

    done = await said(stack, "--from", old, "--execute")
    assert (done["ready"], done["facts"]) == (VIDEOS, planned["facts"])

    async def all_searchable() -> bool:
        return await searchable(hands) == VIDEOS

    await until("all are searchable", all_searchable)
    await until("all is acked", lambda: caught_up(hands))
    assert stack.provider.bill() == []
    assert await hands.pool.fetchval("SELECT count(*) FROM served") == VIDEOS
    first = await rows(hands)

    again = await said(stack, "--from", old, "--execute")
    assert (again["ready"], again["here"], again["facts"]) == (0, VIDEOS, 0)
    await hands.pool.execute("UPDATE runs SET status = 'pending'")  # as if the tables were behind: it is told anew
    repeated = await said(stack, "--from", old, "--execute")
    assert repeated["facts"] == done["facts"]
    await until("all is acked", lambda: caught_up(hands))
    await hands.pool.execute("UPDATE runs SET status = 'completed'")
    assert await rows(hands) == first
    assert (await verify(hands.settings)).differences == []
    assert stack.provider.bill() == []

    for n in (0, 617, VIDEOS - 1):
        (hit, *_) = await search(hands.settings, f"unique{n}", f"creator-{n % 10}")
        assert (hit.video_id, hit.title, hit.start_seconds) == (f"old-{n}", f"Old {n}", 30.0)


async def test_the_page_on_coming_from_inngest_is_followed(hands: Hands, stack: Stack, old: str):
    await follow(stack, "from-inngest", {"CHRONOS_IMPORT_FROM": old})
    assert await searchable(hands) == VIDEOS
    assert stack.provider.bill() == []
