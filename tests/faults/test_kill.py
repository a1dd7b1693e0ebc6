"""kill -9 in the middle of videos: all are completed, only calls in the air are paid twice, and no row is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronos.verifying import verify
from tests.films import film, noise
from tests.stack import Hands, Stack, new_stack, until

NOBODY_WRITES = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid())"


@pytest.mark.parametrize("victim", ["functions", pytest.param("projection", marks=pytest.mark.long)])
async def test_a_kill_in_the_middle_of_three_videos(tmp_path: Path, victim: str):
    with new_stack(tmp_path) as stack:
        stack.start_functions()
        stack.start_projection()
        stack.provider.slow(0.8)
        async with stack.hands() as hands:
            files = [film(tmp_path / f"{n}.mp4", *((45 * k, noise(30 + n)) for k in range(6))) for n in range(3)]
            paths = [await hands.upload(file, f"creator-{n}") for n, file in enumerate(files)]
            sent = [await hands.ask(f"video-{n}", f"creator-{n}", path) for n, path in enumerate(paths)]
            await until("calls in the middle of the videos", lambda: bought(stack, 4))
            stack.kill(victim)
            lost = await bought_and_not_kept(stack, hands) if victim == "functions" else 0
            restart(stack, victim)
            endings = [await hands.ending(one, 90) for one in sent]
            assert [ending["status"] for ending in endings] == ["completed"] * 3
            assert len(stack.provider.bought_twice()) <= lost
            report = await verify(hands.settings)
            assert report.differences == []
            assert report.without_ending == []


async def bought_and_not_kept(stack: Stack, hands: Hands) -> int:
    """Contents whose calls were in the air at the kill: paid for, while no worker was left to keep the answer."""
    await stack.provider.settled()
    await until("the end of the worker's transactions", lambda: hands.pool.fetchval(NOBODY_WRITES))
    return len(stack.provider.bought()) - await hands.pool.fetchval("SELECT count(*) FROM journal.paid")


def restart(stack: Stack, victim: str) -> None:
    if victim == "functions":
        stack.start_functions()
    else:
        stack.start_projection()


async def bought(stack: Stack, count: int) -> bool:
    return len(stack.provider.bill()) >= count
