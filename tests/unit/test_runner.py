"""A runner at the end of its worker: what comes then is another worker's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.avro import Undecodable
from streams import attempt
from streams.alone import Company
from streams.journal import HeldBack
from streams.kafka import DeliveryFailed
from streams.record import Record
from streams.runner import Runner


class Journal:
    """Notes who asks for leave to begin, and lets them wait; while it holds, nobody may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.holds = False
        self.thirty = asyncio.Event()  # have asked

    async def begin(self, asked: Any) -> Any:
        self.asked.append(asked.key.input_id)
        if len(self.asked) == 30:
            self.thirty.set()
        if not self.holds:
            await asyncio.Event().wait()
        return HeldBack()

    async def over(self, *asked: Any) -> set[str]:
        return set()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def runner(journal: Journal) -> Runner:
    event = SimpleNamespace(owner=lambda: "ada", subject=lambda: "video")
    codec = SimpleNamespace(read=lambda record: SimpleNamespace(id=str(record.offset), run_id="run", event=event))
    function = SimpleNamespace(name="f", limit=10, behind=(), accepts=lambda event: True)
    work: Any = SimpleNamespace(codec=codec, function=function, fingerprint="1", journal=journal, wait=lambda: 0.0)
    return Runner(work, Company())


def record(offset: int) -> Record:
    return Record("t", 0, offset, 0, b"ada", b"", ())


async def test_after_a_rebalance_it_goes_on(runner: Runner, journal: Journal):
    await runner.let_go(0.0)
    runner.reopen()
    runner.submit(record(1), lambda: None)
    await asyncio.sleep(0.01)
    assert journal.asked == ["1"]


async def test_a_rebalance_while_the_worker_stops_opens_nothing_again(runner: Runner, journal: Journal):
    """Such a run outlived the pool of its worker, which waited for the database for ever."""
    runner.close()
    await runner.let_go(0.0)
    runner.reopen()
    runner.submit(record(1), lambda: None)
    await asyncio.sleep(0.01)
    assert (journal.asked, runner.waiting, runner.waiting_bytes) == ([], 0, 0)


async def test_of_a_creator_who_is_held_ten_ask_and_not_everybody(
    runner: Runner, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attempt, "HELD", 0.05)
    journal.holds = True
    for n in range(500):
        runner.submit(record(n), lambda: None)
    await asyncio.wait_for(journal.thirty.wait(), 10)
    assert set(journal.asked) == {f"{n}" for n in range(10)}  # those that stood first stay first
    await runner.let_go(1.0)
    assert (runner.waiting, runner.waiting_bytes) == (0, 0)


async def test_a_dead_letter_that_was_not_delivered_is_sent_again_before_its_record_is_acked():
    """Else the record was neither kept nor acked: it held its partition's offset until the next restart."""
    sent: list[str] = []

    def refuse(record: Record) -> Any:
        raise Undecodable("no event")

    async def send(topic: str, *what: Any) -> None:
        sent.append(topic)
        if len(sent) == 1:
            error = DeliveryFailed("given up")
            error.retry_after = 0.0
            raise error

    function = SimpleNamespace(name="f", limit=10, behind=(), group=lambda: "chronos.f")
    work: Any = SimpleNamespace(
        codec=SimpleNamespace(read=refuse), function=function, outbox=SimpleNamespace(send=send)
    )  # fmt: skip
    acked = asyncio.Event()
    Runner(work, Company()).submit(record(1), acked.set)
    await asyncio.wait_for(acked.wait(), 5)
    assert sent == ["dead-letter", "dead-letter"]
