"""What becomes of a record after its turn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Acked:
    """The record needs no more work."""


@dataclass(frozen=True)
class Alone:
    """Workers died over it: it is to be taken again with nothing else in the process."""


@dataclass(frozen=True)
class Aside:
    """The record is to be taken again in so many seconds; until then it holds no slot."""

    seconds: float


@dataclass(frozen=True)
class Rest:
    """Nothing of its creator may begin now: it is to be taken again in so many seconds, before the creator's others."""

    seconds: float


Outcome = Acked | Aside | Alone | Rest
