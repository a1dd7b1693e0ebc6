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


async def old_database(stack: Stack, name: str, videos: int) -> str:
    """URL of an old system on the stack's server."""
    connection = await asyncpg.connect(stack.database)
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    url = urlunsplit(urlsplit(stack.database)._replace(path=f"/{name}"))
    await old_system.make(url, name, videos)
    return url


async def said(stack: Stack, *words: str) -> Any:
    done = await chronos(stack, "import", *words, "--json")
    assert done.exit_code == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


async def all_searchable(hands: Hands, name: str, videos: int) -> None:
    async def are() -> bool:
        count = (
            "SELECT count(*) FROM videos JOIN served USING (creator_id, video_id) WHERE searchable AND video_id LIKE $1"
        )
        return bool(await hands.pool.fetchval(count, f"{name}-%") == videos)

    await until("all are searchable", are)


async def test_the_page_on_coming_from_inngest_is_followed_and_nothing_is_paid_for(hands: Hands, stack: Stack):
    await follow(stack, "from-inngest", {"CHRONOS_IMPORT_FROM": await old_database(stack, "few", 40)})
    await all_searchable(hands, "few", 40)
    await until("all is acked", lambda: caught_up(hands))
    assert stack.provider.bill() == []


@pytest.mark.long
async def test_a_thousand_old_videos_are_searchable_for_nothing_and_twice_gives_the_same_tables(
    hands: Hands, stack: Stack
):
    old = await old_database(stack, "many", VIDEOS)
    planned = await said(stack, "--from", old)
    assert (planned["ready"], planned["here"], planned["left"], planned["executed"]) == (VIDEOS, 0, [], False)
    done = await said(stack, "--from", old, "--execute")
    assert (done["ready"], done["facts"]) == (VIDEOS, planned["facts"])
    await all_searchable(hands, "many", VIDEOS)
    await until("all is acked", lambda: caught_up(hands))
    assert stack.provider.bill() == []
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

    for n in (41, 617, VIDEOS - 1):
        (hit, *_) = await search(hands.settings, f"unique{n}", f"creator-{n % 10}")
        assert (hit.video_id, hit.title) == (f"many-{n}", f"Old {n}")
        assert 30 <= hit.start_seconds < hit.end_seconds == 60
