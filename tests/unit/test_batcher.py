"""Group commit: many small requests become few large ones, and one alone waits for nothing."""

import asyncio
import time

import pytest

from streams.batcher import Batcher


async def test_who_asks_while_a_batch_is_under_way_goes_into_the_next_one():
    batches, gate = [], asyncio.Event()

    async def work(requests):
        batches.append(list(requests))
        await gate.wait()
        return [request * 10 for request in requests]

    batcher = Batcher(work)
    first = asyncio.create_task(batcher(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(batcher(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    gate.set()
    assert [await first, *[await task for task in later]] == [10, 20, 30, 40]
    assert batches == [[1], [2, 3, 4]]


async def test_two_requests_for_one_row_never_share_a_statement():
    batches = []

    async def work(requests):
        batches.append(list(requests))
        return requests

    batcher = Batcher(work, key=lambda request: request)
    assert await asyncio.gather(*(batcher("row") for _ in range(3)), batcher("other")) == ["row", "row", "row", "other"]
    assert all(len(batch) == len(set(batch)) for batch in batches)


async def test_an_error_reaches_everybody_of_the_batch_and_nobody_after_it():
    async def work(requests):
        if "bad" in requests:
            raise ValueError("bad batch")
        return requests

    batcher = Batcher(work)
    with pytest.raises(ValueError, match="bad batch"):
        await batcher("bad")
    assert await batcher("good") == "good"


async def test_a_busy_batcher_gathers_and_one_request_alone_begins_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.batcher.GATHER", 0.2)
    began: list[float] = []

    async def work(requests):
        began.append(time.monotonic())
        return requests

    batcher, asked = Batcher(work), time.monotonic()
    await batcher("alone")
    await asyncio.gather(batcher("soon after"), batcher("and another"))
    alone, together = began
    assert alone - asked < 0.1
    assert together - alone >= 0.19
