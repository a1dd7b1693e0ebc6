"""kill -9 in the middle of videos: all are completed, only calls in the air are paid twice, and no row is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronos.verifying import verify
from tests.films import film, noise
from tests.stack import Stack, new_stack, until


@pytest.mark.parametrize("victim", ["functions", "projection"])
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
            in_air = len([call for call in stack.provider.calls() if call.ended is None])
            stack.kill(victim)
            restart(stack, victim)
            endings = [await hands.ending(one, 90) for one in sent]
            assert [ending["status"] for ending in endings] == ["completed"] * 3
            twice = stack.provider.bought_twice()
            assert len(twice) <= (in_air if victim == "functions" else 0)
            report = await verify(hands.settings)
            assert report.differences == []
            assert report.without_ending == []


def restart(stack: Stack, victim: str) -> None:
    if victim == "functions":
        stack.start_functions()
    else:
        stack.start_projection()


async def bought(stack: Stack, count: int) -> bool:
    return len(stack.provider.bill()) >= count
