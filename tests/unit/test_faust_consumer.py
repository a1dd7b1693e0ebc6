"""A consumer that finds out where it stands while its partitions are taken away: what it found holds no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.faust_consumer import IDLE_WAIT_MS, LEFT_OUT_WAIT_MS, SafeConsumer, wait_by_need
from streams.faust_worker import FunctionApp, WorkerSettings
from streams.journal import Rewind
from streams.progress import Standing
from streams.record import Record

PLACE = TP("t", 0)


class Runner:
    """Notes whether it is open, and takes its time to let go."""

    def __init__(self) -> None:
        self.open = True
        self.ended = asyncio.Event()

    async def let_go(self, within: float) -> None:
        self.open = False
        await self.ended.wait()

    def reopen(self) -> None:
        self.open = True


class Progress:
    """A journal that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.noted: list[Mapping[Any, Standing]] = []

    async def stand(self, group: str, committed: Mapping[TP, int | None]) -> dict[TP, Standing]:
        self.asked.set()
        await self.answers.wait()
        return {tp: Standing(offset) for tp, offset in committed.items()}

    async def note(self, group: str, standings: Mapping[TP, Standing]) -> None:
        self.noted.append(standings)


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SafeConsumer]:
    """With one partition; its broker is of paper, and Faust's own part of a rebalance does nothing."""
    runner, progress = Runner(), Progress()
    settings = WorkerSettings("127.0.0.1:1", {})
    app = FunctionApp(runner, progress, "g", ["t"], settings)  # type: ignore[arg-type]
    consumer = app.safe_consumer()

    async def nothing(*args: object) -> bool:
        return True

    async def seek_to_committed() -> dict[TP, int]:
        return {PLACE: 3}

    for name in ("commit", "seek_wait", "_commit"):
        monkeypatch.setattr(consumer, name, nothing)
    monkeypatch.setattr(consumer, "seek_to_committed", seek_to_committed)
    monkeypatch.setattr(consumer, "assignment", lambda: {PLACE})
    for name in ("_on_partitions_revoked", "_on_partitions_assigned"):
        monkeypatch.setattr(consumer, name, nothing)
    yield consumer
    consumer._thread.thread_loop.close()  # that of a thread which was never started


async def test_where_it_stands_is_known_before_anything_is_delivered(consumer: Any):
    consumer.progress.answers.set()
    assert await consumer._stand()
    assert consumer.standings == {PLACE: Standing(3)}


async def test_what_was_found_out_for_partitions_that_were_taken_away_meanwhile_is_given_up(consumer: Any):
    """It would open the runner for new work in the middle of letting go: that work is nobody's, and holds its lease."""
    standing = asyncio.create_task(consumer._stand())
    await consumer.progress.asked.wait()
    taken = asyncio.create_task(consumer.on_partitions_revoked({PLACE}))
    await asyncio.sleep(0)
    consumer.progress.answers.set()
    assert not await standing
    assert not await consumer._stand()  # nor is it begun while they are being let go
    consumer.runner.ended.set()
    await taken
    assert not await consumer._stand()  # nor before new ones are given
    assert (consumer.standings, consumer.progress.noted, consumer.runner.open) == ({}, [], False)

    await consumer.on_partitions_assigned({PLACE}, 2)
    assert await consumer._stand()
    assert (consumer.standings, consumer.runner.open) == ({PLACE: Standing(3)}, True)


@dataclass
class Fetcher:
    """As far as aiokafka's decides what to fetch."""

    _records: dict[TP, object]
    _fetch_max_wait_ms: int = 1500

    def _get_actions_per_node(self, assignment: object) -> int:
        return self._fetch_max_wait_ms


def test_a_fetch_waits_for_long_only_if_it_leaves_out_no_partition():
    fetcher = Fetcher({})
    wait_by_need(fetcher)
    assert fetcher._get_actions_per_node(None) == IDLE_WAIT_MS
    fetcher._records[PLACE] = "not drained yet"
    assert fetcher._get_actions_per_node(None) == LEFT_OUT_WAIT_MS


class Inbox(Runner):
    """Notes what it was handed."""

    def __init__(self) -> None:
        super().__init__()
        self.handed: list[int] = []

    def is_full(self) -> bool:
        return False

    def submit(self, record: Record, ack: object, rewind: Rewind) -> None:
        self.handed.append(record.offset)


async def test_what_came_for_an_older_assignment_or_with_a_gap_before_it_is_not_handed_on(consumer: Any):
    consumer.runner = inbox = Inbox()
    consumer.progress.answers.set()
    consumer.take(message(3, generation=1))  # nobody knows yet where the partition stands
    assert await consumer._stand()
    consumer.app.consumer_generation_id = 2
    consumer.take(message(3, generation=1))
    consumer.take(message(3, generation=2))
    consumer.take(message(5, generation=2))
    assert inbox.handed == [3]
    assert consumer._continuity.again() == {PLACE: 4}


def message(offset: int, generation: int) -> ConsumerMessage:
    return ConsumerMessage(
        *("t", 0, offset, 1.0, 0, (), b"k", b"v", None), tp=PLACE, generation_id=generation
    )  # fmt: skip
