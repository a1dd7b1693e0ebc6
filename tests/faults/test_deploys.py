"""Workers that are restarted, or stopped and woken, lose no video, charge no attempt, and buy nothing twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from chronos.sending import Sent
from chronos.verifying import verify
from streams.codec import Codec
from streams.reading import LogScan
from streams.runner import GIVING_BACK
from streams.worker import LANDING
from tests.films import film, noise
from tests.stack import Hands, Stack, new_stack, until

WORKERS = ("one", "two")
STILL_STARTING = -signal.SIGTERM  # it had not begun to listen for signals, nor to work


@pytest.mark.long
async def test_three_deploys_in_the_middle_of_16_videos(tmp_path: Path):
    await deploys(tmp_path, times=3, videos=16)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_deploys_in_the_middle_of_50_videos(tmp_path: Path):
    await deploys(tmp_path, times=10, videos=50)


async def deploys(home: Path, times: int, videos: int) -> None:
    with new_stack(home) as stack:
        begin(stack)
        stack.provider.slow(1.0)
        async with stack.hands() as hands:
            sent = [await one_video(hands, home, n) for n in range(videos)]
            for deploy in range(times):
                calls = len(stack.provider.calls())
                await until("work in progress", lambda calls=calls: more_calls(stack, calls + 4, 2 * videos), 60)
                for name in WORKERS:
                    assert stack.terminate(name) in (0, STILL_STARTING), f"deploy {deploy}"
                    stack.start_functions(name)
            endings = [await hands.ending(one, 120) for one in sent]
            assert {ending["status"] for ending in endings} == {"completed"}
            assert stack.provider.bought_twice() == []  # a stop lets calls land
            assert await hands.pool.fetchval("SELECT max(attempts) FROM journal.runs") == 1
            assert (await verify(hands.settings)).ok


async def test_a_worker_whose_provider_hangs_ends_within_the_seconds_that_it_has(tmp_path: Path):
    drain = 3.0
    with new_stack(tmp_path) as stack:
        stack.start_functions(more={"CHRONOS_DRAIN": str(drain)})
        stack.start_projection()
        async with stack.hands() as hands:
            stack.provider.hang(kind="audio")
            sent = await one_video(hands, tmp_path, 1)
            await until("a call that hangs", lambda: more_calls(stack, 1, 2), 30)
            began = time.monotonic()
            assert stack.terminate("functions") == 0
            assert time.monotonic() - began < drain + LANDING + 10  # ten for Faust, and for its place in the groups
            left = await hands.pool.fetchrow("SELECT attempts, ending FROM journal.runs WHERE run_id = $1", sent.run_id)
            assert tuple(left) == (0, None)  # its attempt is given back


@pytest.mark.long
async def test_a_worker_does_not_wait_for_a_database_that_stays_away_when_it_is_told_to_stop(tmp_path: Path):
    """Its supervisor would kill it; and what it held goes on either way when the database is back."""
    drain = 2.0
    with new_stack(tmp_path) as stack:
        stack.start_functions(more={"CHRONOS_DRAIN": str(drain)})
        stack.start_projection()
        stack.provider.slow(2.0)
        async with stack.hands() as hands:
            sent = await one_video(hands, tmp_path, 1)
            await until("a call in the air", lambda: more_calls(stack, 1, 2), 30)
        stack.postgres.kill()
        began = time.monotonic()
        assert stack.terminate("functions") == 0
        assert time.monotonic() - began < drain + GIVING_BACK + LANDING + 10
        stack.postgres.start()
        stack.start_functions()
        async with stack.hands() as hands:
            assert (await hands.ending(sent))["status"] == "completed"


@pytest.mark.long
async def test_a_worker_that_was_stopped_and_is_woken_says_nothing_more(tmp_path: Path):
    with new_stack(tmp_path) as stack:
        stack.start_functions("one")
        stack.start_projection()
        stack.provider.slow(2.0)
        async with stack.hands() as hands:
            sent = [await one_video(hands, tmp_path, n) for n in range(6)]
            await until("calls in the air", lambda: more_calls(stack, 4, 12), 30)
            stack.processes["one"].send_signal(signal.SIGSTOP)
            in_air = await arrived(stack)
            stack.start_functions("two")
            endings = [await hands.ending(one, 90) for one in sent]
            stack.processes["one"].send_signal(signal.SIGCONT)
            last = await one_video(hands, tmp_path, 6)
            assert (await hands.ending(last, 60))["status"] == "completed"
            assert stack.terminate("one") == 0
            assert {ending["status"] for ending in endings} == {"completed"}
            assert len(stack.provider.bought_twice()) <= in_air
            assert (await verify(hands.settings)).ok
            copies = Counter(await ids_on_the_log(hands))
            assert set(copies.values()) <= {1, 2}  # at most what it had sent before it was stopped


def begin(stack: Stack) -> None:
    for name in WORKERS:
        stack.start_functions(name)
    stack.start_projection()


async def one_video(hands: Hands, home: Path, number: int) -> Sent:
    file = film(home / f"{number}.wav", (0, noise(2 + number / 100)), codec="pcm_s16le")
    creator = f"creator-{number % 4}"
    return await hands.ask(f"video-{number}", creator, await hands.upload(file, creator))


async def more_calls(stack: Stack, count: int, all_calls: int) -> bool:
    """So many, or as many as there can be: one to hear each video, and one to embed it."""
    return len(stack.provider.calls()) >= min(count, all_calls)


async def arrived(stack: Stack) -> int:
    """Calls of a worker that is stopped by now, once no more of what it had sent comes in. A call of which it had sent
    a part never ends."""
    known, since = -1, time.monotonic()

    async def quiet() -> bool:
        nonlocal known, since
        if (count := len(stack.provider.calls())) != known:
            known, since = count, time.monotonic()
        return time.monotonic() - since > 1.0

    await until("nothing more comes in", quiet)
    return known


async def ids_on_the_log(hands: Hands) -> list[str]:
    """The ids of all facts, one for each copy."""
    from chronos import app
    from chronos.pipeline import EVENTS

    ids = await app.topic_ids(hands.settings)
    codec: Codec = app.codec(ids)
    scan = LogScan(app.cluster(hands.settings))

    def read() -> list[str]:
        ends = scan.ends({event.name: ids[event.name][1] for event in EVENTS})
        until_, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
        return [codec.read(record).id for batch in scan.read(until_, begins) for record in batch]

    return await asyncio.to_thread(read)
