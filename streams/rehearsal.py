"""What a run would pay for: its body is run with nothing done and nothing bought, and its paid steps give nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from streams.codec import Received
from streams.journal import Journal
from streams.purchases import Purchases
from streams.retry import Fault
from streams.stage import Function, Kept, PaidCall

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")


class Unforeseeable(Exception):
    """What the run needs cannot be known without doing it."""


@dataclass
class Foreseen:
    """What runs would use: results that are remembered, and calls that would be paid."""

    remembered: int = 0  # paid results that are in the journal
    calls: int = 0
    quantity: float = 0.0
    cost_micro_usd: int = 0
    unknown: int = 0  # runs whose needs cannot be known

    def __add__(self, other: Foreseen) -> Foreseen:
        return Foreseen(
            self.remembered + other.remembered,
            self.calls + other.calls,
            self.quantity + other.quantity,
            self.cost_micro_usd + other.cost_micro_usd,
            self.unknown + other.unknown,
        )


class Reckoning:
    """What paid calls would come to, one after the other: what one of them would buy is remembered for the next."""

    def __init__(self, purchases: Purchases) -> None:
        self._purchases = purchases
        self._planned: set[str] = set()  # keys of what is bought by then

    async def reckon(self, call: PaidCall[A], arguments: Sequence[A], *, size: int) -> Foreseen:
        """What a call for so many arguments at a time would use and cost."""
        found = Foreseen()
        keys = [call.key(argument) for argument in arguments]
        have = await self._purchases.bought(keys) | self._planned
        found.remembered = len(have.intersection(keys))
        for at in range(0, len(arguments), size):
            part = dict(zip(keys[at : at + size], arguments[at : at + size], strict=True))
            if missing := {key: argument for key, argument in part.items() if key not in have}:
                quantity, cost = call.quote(list(missing.values()))
                found += Foreseen(calls=1, quantity=quantity, cost_micro_usd=cost)
                have |= missing.keys()
        self._planned |= have
        return found


class Rehearsal:
    """Fulfils streams.stage.Step."""

    attempt = 1

    def __init__(self, function: Function, received: Received, journal: Journal, reckoning: Reckoning) -> None:
        self.input_id, self.run_id, self.input_at = received.id, received.run_id, received.at
        self.foreseen = Foreseen()
        self._function, self._journal, self._reckoning = function, journal, reckoning

    async def __call__(self, name: str, effect: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        return await effect(*args, **kwargs)

    async def once(self, name: str, choose: Callable[[], Awaitable[bytes]]) -> bytes:
        chosen = await self._journal.chosen(f"{self._function.name}/{self.input_id}/{name}")
        return await choose() if chosen is None else chosen

    async def each(self, name: str, call: PaidCall[A], arguments: Sequence[A]) -> AsyncIterator[tuple[A, Kept]]:
        async for batch in self.batches(name, call, arguments, size=1):
            yield batch[0]

    async def batches(
        self, name: str, call: PaidCall[A], arguments: Sequence[A], *, size: int
    ) -> AsyncIterator[list[tuple[A, Kept]]]:
        self.foreseen += await self._reckoning.reckon(call, arguments, size=size)
        for _ in ():  # what the calls would give is not known, and no call depends on it
            yield []


async def rehearse(
    function: Function, received: Received, ports: Mapping[str, Any], journal: Journal, reckoning: Reckoning
) -> Foreseen:
    """What one run would use, after those that the same reckoning was used for."""
    steps = Rehearsal(function, received, journal, reckoning)
    try:
        async for _ in function.body(received.event, steps, **ports):
            pass
    except Unforeseeable:
        return Foreseen(unknown=1)
    except Fault:  # it would fail before it pays, as it may have done before
        return Foreseen()
    return steps.foreseen
