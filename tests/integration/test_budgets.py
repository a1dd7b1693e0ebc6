"""Budgets on a real Postgres: what a creator's videos may cost a day holds before the call, whatever races."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest

from streams.budgets import EVERYBODY, Budgets
from streams.journal import Asked, HeldBack, Journal, Lease, RunKey, Settlement
from streams.paying import Purse, Till
from streams.postgres import Pool
from streams.providers import Providers
from streams.purchases import Purchases
from streams.retry import Held, Unavailable
from streams.stage import Answer, Kept

PRICE = 7


@dataclass
class Oracle:
    """Answers for seven millionths of a dollar."""

    price: int = PRICE
    fault: Exception | None = None
    provider: str = "oracle"
    model: str = field(default_factory=lambda: str(uuid.uuid4()))
    usage: Literal["audioSeconds"] = "audioSeconds"
    calls: int = 0

    def quote(self, arguments: Sequence[str]) -> tuple[float, int]:
        return float(len(arguments)), self.price * len(arguments)

    def key(self, argument: str) -> str:
        return f"{self.model}/{argument}"

    async def __call__(self, arguments: Sequence[str]) -> list[Answer]:
        self.calls += 1
        await asyncio.sleep(0.005)  # so that others come while it is in the air
        if self.fault:
            raise self.fault
        return [Answer(argument.encode(), 1.0, self.price) for argument in arguments]


@dataclass
class Worker:
    """Begins runs and pays in them."""

    pool: Pool
    creator: str
    function: str = "f"

    def __post_init__(self) -> None:
        self.journal = Journal(self.pool)
        self.till = Till(Purchases(self.pool), Providers(self.pool), asyncio.Semaphore(16), Budgets(self.pool))

    def asked(self) -> Asked:
        return Asked(
            RunKey(self.function, "1", str(uuid.uuid4())), str(uuid.uuid4()), self.creator, "tides", most=10_000
        )

    async def pay(self, call: Oracle, *arguments: str) -> list[Kept]:
        """In a run that was begun before anything was held."""
        asked = self.asked()
        lease = Lease(asked.key, str(uuid.uuid4()), 1, 0, 0, float("inf"))
        return await Purse(self.till, asked, lease).pay(call, arguments, asyncio.Event())

    async def begins(self) -> bool:
        grant = await self.journal.begin(self.asked())
        if isinstance(grant, Lease):
            await self.journal.settle(Settlement(grant, ending="completed", told=True))
        assert isinstance(grant, Lease | HeldBack)
        return isinstance(grant, Lease)


Hire = Callable[..., Worker]


@pytest.fixture
def hire(pool: Pool) -> Hire:
    creator = uuid.uuid4().hex
    return lambda **more: Worker(pool, more.pop("creator", creator), **more)


@pytest.fixture
def budgets(pool: Pool) -> Budgets:
    return Budgets(pool)


async def test_workers_that_race_spend_all_of_a_budget_and_not_a_millionth_more(hire: Hire, budgets: Budgets):
    workers, call = [hire() for _ in range(4)], Oracle()
    await budgets.put(workers[0].creator, 100)
    tries = [workers[n % 4].pay(call, f"{n}") for n in range(60)]
    came = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, list) for one in came) == 100 // PRICE == call.calls
    assert all(isinstance(one, list | Held) for one in came)
    (budget,) = await budgets.all(workers[0].creator)
    assert (budget.spent, budget.in_air, budget.held) == (98, 0, ("f",))


async def test_a_run_that_is_held_says_why_and_what_to_do(hire: Hire, budgets: Budgets):
    worker = hire()
    await budgets.put(worker.creator, 10)
    await worker.pay(Oracle(), "one")
    with pytest.raises(Held, match=rf"\$0\.000007 does not fit .* \$0\.00001 a day.*budget set {worker.creator}"):
        await worker.pay(Oracle(), "another")


async def test_what_is_held_begins_nothing_until_the_budget_is_raised(hire: Hire, budgets: Budgets):
    worker, call = hire(), Oracle()
    await budgets.put(worker.creator, 10)
    assert await worker.begins()
    await worker.pay(call, "one")
    with pytest.raises(Held):
        await worker.pay(call, "two")
    assert not await worker.begins()
    assert await hire(function="g").begins()  # what was not refused anything goes on
    assert await hire(creator=uuid.uuid4().hex).begins()
    await budgets.put(worker.creator, 13)  # not enough for another
    assert not await worker.begins()
    await budgets.put(worker.creator, 14)
    assert await worker.begins()
    assert await worker.pay(call, "two")


async def test_another_day_has_a_budget_of_its_own(hire: Hire, budgets: Budgets, pool: Pool):
    worker, call = hire(), Oracle()
    await budgets.put(worker.creator, 10)
    await worker.pay(call, "one")
    with pytest.raises(Held):
        await worker.pay(call, "two")
    await pool.execute(
        "UPDATE journal.spends SET spent_at = spent_at - interval '1 day' WHERE creator_id = $1", worker.creator
    )
    assert await worker.begins()
    assert await worker.pay(call, "two")


async def test_a_hold_that_nobody_asks_about_any_more_is_not_shown(hire: Hire, budgets: Budgets):
    """Its video was called off, say: a creator with room is not held."""
    worker = hire()
    await budgets.put(worker.creator, 1)
    with pytest.raises(Held):
        await worker.pay(Oracle(), "one")
    assert [one.held for one in await budgets.all() if one.creator_id == worker.creator] == [("f",)]
    await budgets.put(worker.creator, PRICE)
    assert [one.held for one in await budgets.all() if one.creator_id == worker.creator] == [()]


async def test_what_is_remembered_and_what_is_free_need_no_budget(hire: Hire, budgets: Budgets):
    worker, call = hire(), Oracle()
    await worker.pay(call, "one")
    await budgets.put(worker.creator, 0)
    assert await hire().pay(call, "one")
    assert await hire().pay(Oracle(price=0), "one")
    with pytest.raises(Held):
        await worker.pay(call, "two")
    assert call.calls == 1


async def test_a_call_that_gave_nothing_gives_its_share_back(hire: Hire, budgets: Budgets):
    worker = hire()
    await budgets.put(worker.creator, PRICE)
    with pytest.raises(Unavailable):
        await worker.pay(Oracle(fault=Unavailable("down")), "one")
    assert await worker.pay(Oracle(), "one")


async def test_everybodys_budget_is_that_of_each_who_has_none_of_his_own(hire: Hire, budgets: Budgets):
    poor, rich, free = (hire(creator=uuid.uuid4().hex) for _ in range(3))
    await budgets.put(rich.creator, 3 * PRICE)
    await budgets.put(free.creator, None)
    await budgets.put(EVERYBODY, PRICE)
    try:
        for worker, most in ((poor, 1), (rich, 3)):
            call = Oracle()
            came = [await asyncio.gather(worker.pay(call, f"{n}"), return_exceptions=True) for n in range(5)]
            assert sum(isinstance(one, list) for [one] in came) == most
        for n in range(5):
            assert await free.pay(Oracle(), f"{n}")
    finally:
        assert await budgets.drop(EVERYBODY)
    assert await poor.begins()
