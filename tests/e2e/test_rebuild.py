"""chronos rebuild on a running system: the new tables are the old ones row for row, whatever comes or dies."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from chronos import rebuilding, sides, switching
from chronos.searching import search
from chronos.verifying import verify
from tests.e2e.test_rewind import caught_up, chronos, videos
from tests.stack import Hands, Stack, until


@pytest.mark.parametrize("count", [6, pytest.param(120, marks=pytest.mark.long)])
async def test_the_new_side_is_the_old_one_row_for_row_and_so_it_stays(
    hands: Hands, stack: Stack, tmp_path: Path, count: int
):
    await videos(hands, tmp_path, f"rebuilt-{count}", count)
    coming = asyncio.create_task(videos(hands, tmp_path, f"meanwhile-{count}", count))  # 12 events each
    result = await rebuilding.rebuild(hands.settings)
    assert result.facts > 10 * count
    await coming
    await until("all is acked", lambda: caught_up(hands))
    await both_sides_are_alike(hands)

    found = await search(hands.settings, "tide", None)
    began = time.monotonic()
    assert await switching.switch(hands.settings, "a test") == result.schema
    assert time.monotonic() - began < 5
    assert await search(hands.settings, "tide", None) == found
    assert (await verify(hands.settings)).ok
    await videos(hands, tmp_path, f"afterwards-{count}", 2)
    await both_sides_are_alike(hands)

    began = time.monotonic()
    assert await switching.rollback(hands.settings, "a test") == sides.LAYOUT
    assert time.monotonic() - began < 5
    assert {one["videoId"] for one in json.loads((await chronos(stack, "status", "--json")).stdout)} >= {
        f"afterwards-{count}-0", f"afterwards-{count}-1",
    }  # fmt: skip
    assert await switching.drop(hands.settings, "a test") == result.schema
    await videos(hands, tmp_path, f"at last-{count}", 1)
    assert (await verify(hands.settings)).ok


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.long)])
async def test_a_rebuild_that_is_killed_goes_on_where_it_was(hands: Hands, stack: Stack, tmp_path: Path, kills: int):
    await videos(hands, tmp_path, f"killed-{kills}", 4)
    dice = random.Random(kills)
    for _ in range(kills):
        with start_a_rebuild(stack) as process:
            await until("it folds", lambda: a_side_is_building(hands))
            await asyncio.sleep(dice.uniform(0, 2))  # at random moments: that is what is tested
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        await asyncio.to_thread(psutil.wait_procs, children, 10)
        assert not any(child.is_running() for child in children)
    result = await rebuilding.rebuild(hands.settings)
    await both_sides_are_alike(hands)
    assert await switching.drop(hands.settings, None) == result.schema


@pytest.mark.long
async def test_a_side_that_nobody_followed_is_followed_by_the_next_rebuild(
    hands: Hands, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rebuilding, "PATIENCE", 1.0)
    await videos(hands, tmp_path, "followed", 2)

    def no_follower(what: str, share: float) -> None:
        if what == "index" and "projection" in stack.processes:
            stack.kill("projection")

    at_work = asyncio.create_task(rebuilding.rebuild(hands.settings, no_follower, a_second=20))
    await until("it folds", lambda: a_side_is_building(hands))
    await videos(hands, tmp_path, "behind", 2)
    with pytest.raises(switching.NotCaughtUp, match="run `chronos rebuild` again"):
        await at_work
    stack.start_projection()
    monkeypatch.undo()
    result = await rebuilding.rebuild(hands.settings)
    assert result.facts == 0
    assert all(one.added == one.gone == one.changed == 0 for one in result.differences)
    await both_sides_are_alike(hands)
    assert await switching.switch(hands.settings, None) == result.schema
    with pytest.raises(switching.AlreadyRebuilding, match="rollback"):
        await rebuilding.rebuild(hands.settings)
    await switching.rollback(hands.settings, None)
    await switching.drop(hands.settings, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rebuild", "switch"], "there is one side alone"),
        (["rebuild", "rollback"], "there is nothing to go back to"),
        (["rebuild", "drop"], "there is one side alone"),
    ],
)
async def test_what_makes_no_sense_is_one_line(hands: Hands, stack: Stack, words: list[str], said: str):
    done = await chronos(stack, *words)
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


async def test_two_at_once_and_a_switch_before_its_time_are_refused(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "two", 2)
    at_work = asyncio.create_task(rebuilding.rebuild(hands.settings, a_second=50))
    await until("it folds", lambda: a_side_is_building(hands))
    with pytest.raises(switching.AlreadyRebuilding, match="another rebuild"):
        await rebuilding.rebuild(hands.settings)
    at_work.cancel()
    await asyncio.gather(at_work, return_exceptions=True)
    with pytest.raises(switching.NotCaughtUp, match="it is being built"):
        await switching.switch(hands.settings, None)
    await switching.drop(hands.settings, None)


def start_a_rebuild(stack: Stack) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "chronos", "rebuild", "--throttle", "100"]
    return subprocess.Popen(command, env=stack.environment(), stderr=subprocess.DEVNULL)


async def a_side_is_building(hands: Hands) -> bool:
    async with sides.one_connection(hands.settings) as connection:
        return any(side.state == "building" for side in await sides.sides(connection))


async def both_sides_are_alike(hands: Hands) -> None:
    async with sides.one_connection(hands.settings) as connection:
        schemas = [side.schema for side in await sides.sides(connection)]

        async def alike() -> bool:
            found = await switching.compare(connection, *schemas)
            return all(one.added == one.gone == one.changed == 0 for one in found)

        await until("both have folded all", alike)
