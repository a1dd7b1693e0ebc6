"""A provider that asks for patience, or takes no key, fails no video and costs no attempt."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from chronos.doctor import examine
from chronos.sending import Sent
from chronos.verifying import verify
from tests.films import film, noise
from tests.stack import Hands, new_stack, until

ATTEMPTS = "SELECT max(attempts) FROM journal.runs WHERE function = 'transcribe-video'"


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_provider_that_says_wait_twenty_times_for_seven_seconds(tmp_path: Path):
    times, seconds = 20, 7.0
    with new_stack(tmp_path) as stack:
        stack.start_functions()
        stack.start_projection()
        stack.provider.fail(next=times, status=429, retry_after=seconds, kind="audio")
        async with stack.hands() as hands:
            sent = await one_video(hands, tmp_path, 0)
            ending = await hands.ending(sent, 60 + 2 * times * seconds)
            assert ending["status"] == "completed"
            calls = sorted(call.started for call in stack.provider.calls() if call.kind == "audio")
            assert len(calls) == times + 1
            assert min(later - earlier for earlier, later in pairwise(calls)) >= seconds
            assert await hands.pool.fetchval(ATTEMPTS) == 1


@pytest.mark.long
async def test_a_key_that_is_refused_holds_up_everything_and_fails_nothing(tmp_path: Path):
    await refused_key(tmp_path, videos=24, seconds=10.0)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_key_that_is_refused_for_two_minutes_with_500_videos(tmp_path: Path):
    await refused_key(tmp_path, videos=500, seconds=120.0)


async def refused_key(home: Path, videos: int, seconds: float) -> None:
    with new_stack(home) as stack:
        stack.start_functions()
        stack.start_projection()
        stack.provider.fail(next=None, status=401)
        async with stack.hands() as hands:
            sent = [await one_video(hands, home, n) for n in range(videos)]
            await until("the breaker to open", lambda: remedy(hands), 60)
            await asyncio.sleep(seconds)  # what is tested is that nothing happens in this time
            refused = [call for call in stack.provider.calls() if call.status == 401]
            assert len(refused) <= 16 + 2 * seconds / 30 + 2  # those in the air at first, then a probe every 30 s
            assert await hands.pool.fetchval("SELECT count(*) FROM failures") == 0
            stack.provider.clear()
            await until("all to complete", lambda: completed(hands, videos), 120 + videos)
            assert {(await hands.ending(one))["status"] for one in sent[:5]} == {"completed"}
            assert await hands.pool.fetchval(ATTEMPTS) == 1
            assert await remedy(hands) is None
            assert (await verify(hands.settings)).ok


async def remedy(hands: Hands) -> str | None:
    """What doctor says is to be done about the provider."""
    found = [one.remedy for one in await examine(hands.settings) if one.name == "pace" and not one.ok]
    return found[0] if found else None


async def completed(hands: Hands, count: int) -> bool:
    return bool(await hands.pool.fetchval("SELECT count(*) = $1 FROM videos WHERE status = 'completed'", count))


async def one_video(hands: Hands, home: Path, number: int) -> Sent:
    """A video that no other resembles."""
    file = film(home / f"{number}.wav", (0, noise(2 + number / 100)), codec="pcm_s16le")
    creator = f"creator-{number % 8}"
    return await hands.ask(f"video-{number}", creator, await hands.upload(file, creator))
