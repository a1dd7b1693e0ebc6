"""Paid calls: looked up first, made once in the whole cluster, kept at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from streams import metrics
from streams.budgets import Budgets, dollars
from streams.journal import Asked, Lease
from streams.providers import Providers
from streams.purchases import Claim, Purchase, Purchases, Result, Spend, Wish
from streams.retry import Fault, Held, Paced, Unavailable
from streams.stage import Answer, Kept, PaidCall
from streams.telling import Cancelled, Fenced

A = TypeVar("A")

PATIENCE = 60.0
"""Seconds that a run waits in its place for a provider's pace, in all. Below, each 429 would have its video downloaded
and decoded again; above, it would hold a slot while nothing comes of it."""
LOOK = 0.25  # seconds between looks whether another's call has landed


class NonsenseAnswer(Unavailable):
    """A provider gave another number of answers than it was asked for."""


@dataclass
class Till:
    """What all runs of a process share to pay: the journal's books, and the bound on calls in the air."""

    purchases: Purchases
    providers: Providers
    calls: asyncio.Semaphore
    budgets: Budgets
    quotes: bool = False  # somebody has a budget: calls are quoted before they are made
    air: set[asyncio.Task[Any]] = field(default_factory=set)

    async def land(self, within: float) -> None:
        """Waits for calls in the air: a paid answer must reach the journal, though its run was stopped."""
        if self.air:
            await asyncio.wait(self.air, timeout=within)


@dataclass
class Used:
    """Paid results that a run has used, and those that it bought itself."""

    bought: list[Spend] = field(default_factory=list)
    results: dict[str, tuple[str, str, Result]] = field(default_factory=dict)  # key -> usage, model, result

    def own(self) -> set[str]:
        """Keys of the results that it bought."""
        return {key for spend in self.bought for key in spend.keys}

    def reused(self, spends: Sequence[Spend]) -> list[tuple[str, str, float, int]]:
        """Totals by usage and model of what was used without being in `spends`, this input's own purchases."""
        own = {key for spend in spends for key in spend.keys}
        totals: dict[tuple[str, str], tuple[float, int]] = {}
        for key, (usage, model, result) in self.results.items():
            if key not in own:
                quantity, cost = totals.get((usage, model), (0.0, 0))
                totals[usage, model] = (quantity + result.quantity, cost + result.cost_micro_usd)
        return [(usage, model, quantity, cost) for (usage, model), (quantity, cost) in sorted(totals.items())]


class Purse:
    """Pays for one attempt of one run."""

    def __init__(self, till: Till, asked: Asked, lease: Lease) -> None:
        self._till, self._asked, self._lease = till, asked, lease
        self._patience = PATIENCE
        self.used = Used()

    async def pay(self, call: PaidCall[A], arguments: Sequence[A], stop: asyncio.Event) -> list[Kept]:
        """The results for the arguments, bought only where the journal does not hold them.

        Raises:
            Fenced: the run is another's.
            Cancelled: a person called it off.
            Paced: the provider is to be left alone for longer than a run may wait in its place.
            Held: it would be over its creator's budget.
            asyncio.CancelledError: `stop` was set before the call was made.
        """
        keys = [call.key(argument) for argument in arguments]
        wanted = dict(zip(keys, arguments, strict=True))
        have: dict[str, Result] = {}
        while missing := {key: argument for key, argument in wanted.items() if key not in have}:
            found = await self._obtain(call, missing, stop)
            have |= {key: found[key] for key in await self._mine(found)}
        metrics.MEMOIZED.labels(call.model).inc(len(wanted.keys() - self.used.own()))
        for key in wanted:
            self.used.results[key] = (call.usage, call.model, have[key])
        return [Kept(key, *have[key]) for key in keys]

    async def _mine(self, found: Iterable[str]) -> set[str]:
        """Keys of what this run bought, and of what it uses from now on. The rest was erased with another's video."""
        bought = self.used.own().intersection(found)
        return bought | await self._till.purchases.use(self._asked, set(found) - bought)

    async def _obtain(self, call: PaidCall[A], wanted: Mapping[str, A], stop: asyncio.Event) -> dict[str, Result]:
        have: dict[str, Result] = {}
        if self._till.calls.locked():  # what is bought already does not queue behind what is not
            have |= await self._till.purchases.recall(list(wanted))
        while missing := {key: argument for key, argument in wanted.items() if key not in have}:
            try:
                found = await self._fly(call, missing, stop)
            except Paced as pace:
                await self._rest(pace, stop)
                continue
            have |= found
            if not found:
                await _pause(LOOK, stop)
                have |= await self._till.purchases.recall(list(missing))
        return have

    async def _rest(self, pace: Paced, stop: asyncio.Event) -> None:
        """Waits in place, for as long as that costs less than to begin anew."""
        if pace.retry_after > self._patience:
            raise pace
        began = time.monotonic()
        await _pause(pace.retry_after + 0.1 * random.random(), stop)  # noqa: S311  # not all at one moment
        self._patience -= time.monotonic() - began

    async def _fly(self, call: PaidCall[A], missing: dict[str, A], stop: asyncio.Event) -> dict[str, Result]:
        """One call in the air, or what others have bought; nothing while another's is in the air. It lands in the
        journal even when the run that made it is stopped."""
        task = asyncio.create_task(self._claim_and_buy(call, missing, stop))
        self._till.air.add(task)
        task.add_done_callback(self._till.air.discard)
        return await asyncio.shield(task)

    async def _claim_and_buy(
        self, call: PaidCall[A], missing: dict[str, A], stop: asyncio.Event
    ) -> dict[str, Result]:  # fmt: skip
        async with self._till.calls:
            self._may_call(stop)
            wish, claim = await self._claim(call, missing)
            if not claim.granted:
                return claim.results
            try:
                self._may_call(stop)
                answers = await self._answers(call, [missing[key] for key in claim.granted], wish.token)
            except BaseException:
                await self._till.purchases.release(wish.token)
                raise
        purchase = _purchase(call, wish.token, claim, answers)
        kept = await self._till.purchases.keep(self._asked, purchase)
        self._note(purchase, claim)
        rest = max(answer.rest for answer in answers)
        await self._till.providers.worked(call, troubled=claim.troubled, rest=rest)
        return claim.results | kept

    async def _claim(self, call: PaidCall[A], missing: Mapping[str, A]) -> tuple[Wish, Claim]:
        """Leave to make a call, or what is bought already. Without budgets no call is quoted: that takes time."""
        quotes = tuple(call.quote([one])[1] for one in missing.values()) if self._till.quotes else None
        wish = Wish(self._asked, call.provider, call.model, tuple(missing), quotes)
        claim = await self._till.purchases.claim(wish)
        if claim.unquoted:
            self._till.quotes = True
            return await self._claim(call, missing)
        if claim.cancelled:
            raise Cancelled
        if claim.pause:
            raise self._till.providers.paused(call, *claim.pause)
        if claim.held:
            raise await self._held(call, sum(quotes or ()))
        return wish, claim

    async def _held(self, call: PaidCall[A], cost: int) -> Held:
        who = self._asked.creator_id or ""
        remedy = f"it goes on after midnight (UTC), or with more: chronos budget set {who} USD"
        used = await self._till.budgets.says(who)
        return Held(
            f"a call of {call.model} for {dollars(cost)} does not fit into the budget of {who}, {used}; {remedy}"
        )

    def _may_call(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            raise asyncio.CancelledError
        if self._lease.cancelled:
            raise Cancelled
        if not self._lease.is_good():
            raise Fenced

    async def _answers(self, call: PaidCall[A], arguments: list[A], token: str) -> list[Answer]:
        try:
            with metrics.PAID_CALL_SECONDS.labels(call.model).time():
                answers = await call(arguments)
            if len(answers) != len(arguments):
                raise NonsenseAnswer(f"{call.model} gave {len(answers)} answers to {len(arguments)} questions")
        except Fault as error:
            metrics.PAID_CALLS.labels(call.model, "failed").inc()
            raise await self._till.providers.failed(call, token, error) from error
        return answers

    def _note(self, purchase: Purchase, claim: Claim) -> None:
        quantity, cost = purchase.quantity(), purchase.cost()
        metrics.PAID_CALLS.labels(purchase.model, "answered").inc()
        metrics.PAID_MICRO_USD.labels(purchase.model).inc(cost)
        self.used.bought.append(
            Spend(purchase.token, purchase.usage, purchase.model, quantity, cost, claim.granted, told=False)
        )


def _purchase(call: PaidCall[A], token: str, claim: Claim, answers: Sequence[Answer]) -> Purchase:
    entries = tuple(
        (key, answer.result, answer.quantity, answer.cost_micro_usd)
        for key, answer in zip(claim.granted, answers, strict=True)
    )
    return Purchase(token, call.usage, call.model, entries)


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    """Raises CancelledError when `stop` is set meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
    raise asyncio.CancelledError
