"""Old events' shapes to the next version's: pure steps, one a version, for what a default cannot express."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
Step: TypeAlias = Callable[[Record], Record]

STEPS: dict[tuple[str, int], Step] = {}
"""By wire name and the version that the step starts from. Empty while every event is at its first version."""


def upcasts(name: str, from_version: int) -> Callable[[Step], Step]:
    """Declares the step from one version of an event to the next.

    It gets the record as it was written, with its wire names, and gives a new one; it must not change the old. A
    version that only adds optional fields needs no step.
    """

    def declare(step: Step) -> Step:
        if (name, from_version) in STEPS:
            raise TypeError(f"{name} has two steps from version {from_version}")
        STEPS[name, from_version] = step
        return step

    return declare


def steps_between(name: str, written: int, current: int) -> tuple[Step, ...]:
    """The steps that bring a record of version `written` to version `current`, in order."""
    versions = range(written, current)
    return tuple(STEPS[name, version] for version in versions if (name, version) in STEPS)
