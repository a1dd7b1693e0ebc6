"""Paid calls: looked up first, made once, kept at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from streams.journal import Asked, Journal, Lease, Purchase, Result, Spend
from streams.retry import Unavailable
from streams.stage import Answer, Kept, PaidCall
from streams.telling import Fenced

A = TypeVar("A")


class NonsenseAnswer(Unavailable):
    """A provider gave another number of answers than it was asked for."""


@dataclass
class Till:
    """What all runs of a process share to pay: the journal, the bound on calls in the air, and the calls themselves."""

    journal: Journal
    calls: asyncio.Semaphore
    flights: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    air: set[asyncio.Task[dict[str, Result]]] = field(default_factory=set)

    async def land(self, within: float) -> None:
        """Waits for calls in the air: a paid answer must reach the journal, though its run was stopped."""
        if self.air:
            await asyncio.wait(self.air, timeout=within)


@dataclass
class Used:
    """Paid results that a run has used, and those that it bought itself."""

    bought: list[Spend] = field(default_factory=list)
    results: dict[str, tuple[str, str, Result]] = field(default_factory=dict)  # key -> usage, model, result

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
    """Pays for one run."""

    def __init__(self, till: Till, asked: Asked, lease: Lease) -> None:
        self._till, self._asked, self._lease = till, asked, lease
        self.used = Used()

    @property
    def journal(self) -> Journal:
        return self._till.journal

    async def pay(self, call: PaidCall[A], arguments: Sequence[A], stop: asyncio.Event) -> list[Kept]:
        """The results for the arguments, bought only where the journal does not hold them.

        Raises:
            Fenced: the run is another's.
            asyncio.CancelledError: `stop` was set before the call was made.
        """
        keys = [call.key(argument) for argument in arguments]
        wanted = dict(zip(keys, arguments, strict=True))
        have = await self._till.journal.recall(list(wanted))
        while missing := {key: argument for key, argument in wanted.items() if key not in have}:
            if flights := [self._till.flights[key] for key in missing if key in self._till.flights]:
                await asyncio.wait(flights)
                have |= await self._till.journal.recall(list(missing))
            else:
                have |= await self._fly(call, missing, stop)
        for key in wanted:
            self.used.results[key] = (call.usage, call.model, have[key])
        return [Kept(key, *have[key]) for key in keys]

    async def _fly(self, call: PaidCall[A], missing: dict[str, A], stop: asyncio.Event) -> dict[str, Result]:
        """One call in the air. It lands in the journal even when the run that made it is cancelled."""
        flight: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._till.flights |= dict.fromkeys(missing, flight)
        task = asyncio.create_task(self._buy(call, missing, stop, flight))
        self._till.air.add(task)
        task.add_done_callback(self._till.air.discard)
        return await asyncio.shield(task)

    async def _buy(
        self, call: PaidCall[A], missing: dict[str, A], stop: asyncio.Event, flight: asyncio.Future[None]
    ) -> dict[str, Result]:
        try:
            async with self._till.calls:
                if stop.is_set():
                    raise asyncio.CancelledError
                if not self._lease.is_good():
                    raise Fenced
                answers = await call(list(missing.values()))
            purchase = _purchase(call, missing, answers)
            kept = await self._till.journal.keep(self._asked, purchase)
        finally:
            for key in missing:
                del self._till.flights[key]
            flight.set_result(None)
        self.used.bought.append(
            Spend(purchase.token, purchase.usage, purchase.model, purchase.quantity(), purchase.cost(),
                  tuple(missing), told=False)
        )  # fmt: skip
        return kept


def _purchase(call: PaidCall[A], missing: dict[str, A], answers: Sequence[Answer]) -> Purchase:
    if len(answers) != len(missing):
        raise NonsenseAnswer(f"{call.model} gave {len(answers)} answers to {len(missing)} questions")
    entries = tuple(
        (key, answer.result, answer.quantity, answer.cost_micro_usd)
        for key, answer in zip(missing, answers, strict=True)
    )
    return Purchase(str(uuid.uuid4()), call.usage, call.model, entries)
