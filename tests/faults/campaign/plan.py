"""Which faults strike, and when: drawn from a seed, the same on every machine. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "kill-worker", "kill-broker", "kill-postgres", "kill-projection", "pause-worker", "restart-worker", "add-worker",
    "remove-worker", "cut-connections", "provider-429", "provider-slow", "provider-500", "provider-cut",
    "provider-hang", "provider-nonsense", "restart-broker", "restart-postgres",
]  # fmt: skip

WEIGHTS: dict[Kind, int] = {
    "kill-worker": 5,
    "kill-broker": 2,
    "kill-postgres": 2,
    "kill-projection": 2,
    "pause-worker": 3,
    "restart-worker": 2,
    "add-worker": 2,
    "remove-worker": 2,
    "cut-connections": 2,
    "provider-429": 2,
    "provider-slow": 2,
    "provider-500": 2,
    "provider-cut": 1,
    "provider-hang": 1,
    "provider-nonsense": 1,
    "restart-broker": 1,
    "restart-postgres": 1,
}
"""How often each kind is dealt. Each is dealt once, in this order, before any is dealt again."""


@dataclass(frozen=True)
class Strike:
    """One fault."""

    number: int
    at: float  # seconds after the beginning
    kind: Kind
    pick: float  # 0 to 1: which of those that it can hit
    seconds: float  # how long it lasts: down, paused, slow, or the Retry-After
    calls: int  # of the provider, where it fails some


@dataclass(frozen=True)
class Bounds:
    """What a campaign may do.

    Args:
        length: seconds in which faults strike.
        workers: at the beginning; never fewer than one, nor more than two above.
        lease: seconds; a pause is always longer.
        longest_pause: seconds.
    """

    length: float
    workers: int
    lease: float
    longest_pause: float


def plan(seed: int, faults: int, bounds: Bounds) -> list[Strike]:
    """The schedule, in the order of time. Faults overlap at times, as real ones do."""
    dice = random.Random(seed)
    kinds = _possible(_dealt(faults, dice), bounds.workers)
    slot = bounds.length / max(1, faults)
    return [
        Strike(
            number=number + 1,
            at=round((number + dice.random()) * slot, 2),
            kind=kind,
            pick=dice.random(),
            seconds=round(_seconds(kind, bounds, dice), 1),
            calls=dice.randint(1, 3),  # three failures of one call are all that an attempt-counting run can bear
        )
        for number, kind in enumerate(kinds)
    ]


def _dealt(faults: int, dice: random.Random) -> list[Kind]:
    once = list(WEIGHTS)[:faults]
    more = dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=faults - len(once))
    dealt = [*once, *more]
    dice.shuffle(dealt)
    return dealt


def _possible(kinds: list[Kind], workers: int) -> Iterator[Kind]:
    """One worker is never removed, and more than two are never added: the other of the two happens instead."""
    now = workers
    for kind in kinds:
        if kind == "remove-worker" and now == 1:
            kind = "add-worker"
        elif kind == "add-worker" and now == workers + 2:
            kind = "remove-worker"
        now += {"add-worker": 1, "remove-worker": -1}.get(kind, 0)
        yield kind


def _seconds(kind: Kind, bounds: Bounds, dice: random.Random) -> float:
    if kind == "pause-worker":
        return dice.uniform(bounds.lease + 1, max(bounds.lease + 2, bounds.longest_pause))
    if kind == "provider-429":
        return dice.uniform(1, 4)
    if kind == "provider-slow":
        return dice.uniform(4, 10)
    return dice.uniform(0.2, 6)
