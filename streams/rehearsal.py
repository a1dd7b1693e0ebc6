"""What a run would pay for: its body is run with nothing done and nothing bought, up to its first paid step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
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


class _Enough(Exception):
    """The paid step was reached: what comes after it costs nothing."""


@dataclass
class Foreseen:
    """What runs would use: results that are remembered, and calls that would be paid."""

    remembered: int = 0  # paid results that are in the journal
    calls: int = 0
    quantity: float = 0.0
    cost_micro_usd: int = 0
    unknown: int = 0  # runs whose needs cannot be known
    keys: set[str] = field(default_factory=set)  # of what would be bought

    def __add__(self, other: Foreseen) -> Foreseen:
        return Foreseen(
            self.remembered + other.remembered,
            self.calls + other.calls,
            self.quantity + other.quantity,
            self.cost_micro_usd + other.cost_micro_usd,
            self.unknown + other.unknown,
            self.keys | other.keys,
        )


class Rehearsal:
    """Fulfils streams.stage.Step. What an earlier run of the same plan would buy is remembered by then."""

    attempt = 1

    def __init__(self, function: Function, input_id: str, books: tuple[Journal, Purchases], planned: set[str]) -> None:
        self.input_id = input_id
        self.foreseen = Foreseen()
        self._function, self._planned = function, planned
        self._journal, self._purchases = books

    async def __call__(self, name: str, effect: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        return await effect(*args, **kwargs)

    async def once(self, name: str, choose: Callable[[], Awaitable[bytes]]) -> bytes:
        chosen = await self._journal.chosen(f"{self._function.name}/{self.input_id}/{name}")
        if chosen is None:
            raise Unforeseeable("nothing was chosen yet")
        return chosen

    async def each(self, name: str, call: PaidCall[A], arguments: Sequence[A]) -> AsyncIterator[tuple[A, Kept]]:
        async for batch in self.batches(name, call, arguments, size=1):
            yield batch[0]

    async def batches(
        self, name: str, call: PaidCall[A], arguments: Sequence[A], *, size: int
    ) -> AsyncIterator[list[tuple[A, Kept]]]:
        keys = [call.key(argument) for argument in arguments]
        have = await self._purchases.bought(keys) | self._planned
        self.foreseen.remembered += len(have.intersection(keys))
        for at in range(0, len(arguments), size):
            part = dict(zip(keys[at : at + size], arguments[at : at + size], strict=True))
            missing = {key: argument for key, argument in part.items() if key not in have}
            if missing:
                self._buy(call, missing)
                have |= missing.keys()
        raise _Enough
        yield []  # it is a generator of what it never gives

    def _buy(self, call: PaidCall[A], missing: Mapping[str, A]) -> None:
        quantity, cost = call.quote(list(missing.values()))
        self.foreseen.calls += 1
        self.foreseen.quantity += quantity
        self.foreseen.cost_micro_usd += cost
        self.foreseen.keys |= missing.keys()


async def rehearse(
    function: Function,
    received: Received,
    ports: Mapping[str, Any],
    books: tuple[Journal, Purchases],
    planned: set[str],
) -> Foreseen:
    """What one run would use. `planned`: keys that runs before it in the same plan would buy; they are added to."""
    steps = Rehearsal(function, received.id, books, planned)
    try:
        async for _ in function.body(received.event, steps, **ports):
            pass
    except _Enough:
        pass
    except Unforeseeable:
        return Foreseen(unknown=1)
    except Fault:  # it would fail before it pays, as it may have done before
        return Foreseen()
    planned |= steps.foreseen.keys
    return steps.foreseen
