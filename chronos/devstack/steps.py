"""Several things started at once in one thread: each is a generator that yields while it waits.

One thread, because Linux takes the death of the *thread* that started a process for the death of its parent (see
process.py), and because an interrupt can then only fall between two steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

Steps = Generator[None, None, None]
R = TypeVar("R")

# Tells a person what is going on: the part, what it does, and how much of it is done (0 to 1, None when unknown).
Tell = Callable[[str, str, float | None], None]

_TICK = 0.01  # seconds; shorter burns a core while the stack needs both, longer is felt at the prompt


def say_nothing(part: str, doing: str, done: float | None) -> None:
    """The Tell of those who do not want to know."""


def go_on() -> None:
    """The check of those who cannot be interrupted."""


def drive(*parts: Steps, check: Callable[[], None] = go_on) -> None:
    """Runs all parts to their ends, in turn. `check` may raise between two steps; the parts are then closed."""
    going = list(parts)
    try:
        while going:
            going = [part for part in going if _step(part)]
            check()
            time.sleep(_TICK if going else 0)
    finally:
        for part in going:
            part.close()


def result(part: Generator[None, None, R]) -> R:
    """Runs one part to its end, and gives what it returns."""
    while True:
        try:
            next(part)
        except StopIteration as end:
            value: R = end.value  # typeshed has it as Any
            return value
        time.sleep(_TICK)


def until(ready: Callable[[], bool], seconds: float) -> Generator[None, None, bool]:
    """Waits for the condition, with a limit. Returns whether it came."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        yield
    return True


def _step(part: Iterator[None]) -> bool:
    try:
        next(part)
    except StopIteration:
        return False
    return True
