"""Plans have names, made of what matters in them: what is done is what was shown, or nothing. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol


class PlanIsStale(Exception):
    """What there is has moved past the plan in a way that matters."""


class Named(Protocol):
    """A plan."""

    @property
    def id(self) -> str: ...


def name_of(says: Any) -> str:
    """The same for the same things, at whatever time."""
    return hashlib.sha256(json.dumps(says).encode()).hexdigest()[:8]


def check(planned: Named, expected: str | None) -> None:
    """
    Raises:
        PlanIsStale: it is not the plan that was shown before.
    """
    if expected is not None and planned.id != expected:
        raise PlanIsStale(
            f"plan {expected} does not hold any more: the same words now give plan {planned.id}; "
            "look at that one, and give its name"
        )
