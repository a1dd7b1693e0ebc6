"""Pace and breaker on a real Postgres: what one worker learns of a provider holds for all."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest

from streams.budgets import Budgets
from streams.journal import Asked, Journal, Lease, RunKey
from streams.paying import Purse, Till
from streams.postgres import Pool
from streams.providers import Providers
from streams.purchases import Purchases
from streams.retry import Blocked, Fault, Paced, Refused, Unavailable
from streams.stage import Answer


@dataclass
class Oracle:
    """A paid call that fails as it is told, and then answers. Its model is its own, so that tests do not meet."""

    faults: list[Fault] = field(default_factory=list)
    rest: float = 0.0
    provider: str = "oracle"
    model: str = field(default_factory=lambda: str(uuid.uuid4()))
    usage: Literal["audioSeconds"] = "audioSeconds"
    calls: list[float] = field(default_factory=list)

    def quote(self, arguments: Sequence[str]) -> tuple[float, int]:
        return 0.0, 0

    def key(self, argument: str) -> str:
        return f"{self.model}/{argument}"

    async def __call__(self, arguments: Sequence[str]) -> list[Answer]:
        self.calls.append(asyncio.get_running_loop().time())
        if self.faults:
            raise self.faults.pop(0)
        return [Answer(argument.encode(), 1.0, 5, self.rest) for argument in arguments]


class Payer:
    """A worker that pays."""

    def __init__(self, pool: Pool) -> None:
        self.journal = Journal(pool)
        self.till = Till(Purchases(pool), Providers(pool), asyncio.Semaphore(16), Budgets(pool))

    async def pay(self, call: Oracle, argument: str, patience: float = 0.0) -> bytes:
        asked = Asked(RunKey("f", "1", str(uuid.uuid4())), str(uuid.uuid4()), str(uuid.uuid4()), "tides")
        lease = await self.journal.begin(asked)
        assert isinstance(lease, Lease)
        purse = Purse(self.till, asked, lease)
        purse._patience = patience
        return (await purse.pay(call, [argument], asyncio.Event()))[0].result


async def fails(payer: Payer, call: Oracle, argument: str) -> Fault:
    with pytest.raises(Fault) as found:
        await payer.pay(call, argument)
    return found.value


async def test_the_fifth_failure_in_a_row_opens_the_breaker_for_every_worker(pool: Pool):
    one, other, call = Payer(pool), Payer(pool), Oracle([Unavailable("down")] * 5)
    seen = [await fails(one if n % 2 else other, call, f"{n}") for n in range(5)]
    assert [type(fault) for fault in seen] == [Unavailable] * 4 + [Paced]  # the fifth costs no attempt
    assert isinstance(await fails(other, call, "sixth"), Paced)
    assert len(call.calls) == 5  # the sixth was not made
    (trouble,) = [t for t in await one.till.providers.troubles() if t.model == call.model]
    assert (trouble.open, trouble.reason) == (True, "down")


async def test_a_success_between_them_keeps_the_breaker_closed(pool: Pool):
    payer, call = Payer(pool), Oracle([Unavailable("down")] * 4)
    for n in range(4):
        await fails(payer, call, f"{n}")
    assert await payer.pay(call, "works") == b"works"
    call.faults = [Unavailable("down")] * 4
    assert [type(await fails(payer, call, f"again-{n}")) for n in range(4)] == [Unavailable] * 4


async def test_behind_an_open_breaker_one_call_at_a_time_tries_and_its_success_frees_all(pool: Pool):
    payers, call = [Payer(pool) for _ in range(4)], Oracle([Blocked("no key", 0.1)])
    assert isinstance(await fails(payers[0], call, "first"), Blocked)
    await asyncio.sleep(0.15)
    call.faults = [Blocked("no key", 0.1)]
    tries = await asyncio.gather(*(payers[n % 4].pay(call, f"{n}") for n in range(12)), return_exceptions=True)
    assert len(call.calls) == 2  # one probe for all
    assert all(isinstance(fault, Paced) for fault in tries)
    await asyncio.sleep(0.15)
    assert await payers[3].pay(call, "works") == b"works"
    results = await asyncio.gather(*(payers[n % 4].pay(call, f"{n}") for n in range(12)))
    assert results == [f"{n}".encode() for n in range(12)]


async def test_nobody_calls_before_the_time_that_a_429_named(pool: Pool):
    one, other, call = Payer(pool), Payer(pool), Oracle([Paced("busy", 0.5)])
    both = await asyncio.gather(one.pay(call, "a", patience=5.0), later(other.pay(call, "b", patience=5.0)))
    assert both == [b"a", b"b"]
    assert call.calls[1] - call.calls[0] >= 0.5


async def test_a_limit_that_is_used_up_is_waited_for_before_it_is_met(pool: Pool):
    payer, call = Payer(pool), Oracle(rest=0.4)
    await payer.pay(call, "a")
    call.rest = 0.0
    await payer.pay(call, "b", patience=5.0)
    assert call.calls[1] - call.calls[0] >= 0.4


async def test_a_refusal_says_nothing_of_the_provider(pool: Pool):
    payer, call = Payer(pool), Oracle([Refused("too long")] * 8)
    assert [type(await fails(payer, call, f"{n}")) for n in range(8)] == [Refused] * 8
    assert await payer.pay(call, "works") == b"works"


async def test_a_call_that_failed_is_free_for_the_next_who_wants_it(pool: Pool):
    one, other, call = Payer(pool), Payer(pool), Oracle([Unavailable("once")])
    await fails(one, call, "same")
    assert await other.pay(call, "same") == b"same"


async def later(work):
    await asyncio.sleep(0.1)
    return await work
