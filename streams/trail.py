"""The trail of one attempt: its steps, how long each took, and what was logged meanwhile. Nothing but people reads it.

It is bounded, whatever the attempt does: steps beyond the first ones are summed up by their kind, of many lines the
first and the last are kept, long texts lose their middle.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import Any, NamedTuple

from streams.redaction import redact

STEPS = 200
"""Told one by one: some 80 bytes each. A video of three hours has 300 segments."""
LINES = 50  # of the first, and as many of the last, among which is how it ended
TEXT = 400  # characters of one text
LINE = 1_000  # characters of one line with all that it names

NAMED = frozenset(("event", "level", "timestamp", "trace_id", "span_id"))  # elsewhere in a line
KNOWN = frozenset(("function", "video", "creator", "partition", "offset", "attempt"))  # by the run's row


@dataclass(slots=True)
class Step:
    """A step that was begun. Seconds count from the attempt's beginning."""

    number: int
    name: str
    kind: str  # its name without what is particular to one of many
    at: float
    seconds: float | None = None  # it goes on, or its worker died
    error: str | None = None
    bought: int = 0
    remembered: int = 0

    def told(self) -> dict[str, Any]:
        """What is zero, or said by another field, is left out: there may be many."""
        kind = self.kind if self.kind != self.name else None
        more = {"kind": kind, "error": self.error, "bought": self.bought, "remembered": self.remembered}
        told = {name: value for name, value in more.items() if value}
        return {"name": self.name, "at": self.at, "seconds": self.seconds, **told}


@dataclass(slots=True)
class Total:
    """Steps of a kind beyond those that are told one by one."""

    count: int = 0
    failed: int = 0
    seconds: float = 0.0
    longest: float = 0.0

    def add(self, step: Step) -> None:
        seconds = step.seconds or 0.0
        self.count += 1
        self.failed += step.error is not None
        self.seconds = round(self.seconds + seconds, 4)
        self.longest = max(self.longest, seconds)

    def told(self, kind: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"kind": kind}


class Page(NamedTuple):
    """A trail as it is written down at a moment. No text: there is nothing new, or nothing worth a row."""

    text: str | None
    seconds: float
    changes: int


class Trail:
    """What one attempt did so far. Lines may come from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began, self._guard = clock, clock(), Lock()
        self._steps: list[Step] = []
        self._begun = 0
        self._beyond: dict[str, Total] = {}
        self._first: list[dict[str, Any]] = []
        self._last: deque[dict[str, Any]] = deque(maxlen=LINES)
        self._left_out = 0
        self._changes = self._written = 0

    @contextmanager
    def followed(self) -> Iterator[None]:
        """What is logged inside belongs to it, in threads and tasks that are begun there as well."""
        token = _here.set(_Here(self, None))
        try:
            yield
        finally:
            _here.reset(token)

    @contextmanager
    def step(self, name: str, kind: str) -> Iterator[Step]:
        step = self._begin(name, kind)
        token = _here.set(_Here(self, step))
        try:
            yield step
        except BaseException as error:
            step.error = type(error).__name__
            raise
        finally:
            _here.reset(token)
            self._end(step)

    def page(self) -> Page:
        """To be written down; `keep` says that it was."""
        with self._guard:
            news = self._changes != self._written and self._is_worth_it()
            return Page(self._told() if news else None, self._now(), self._changes)

    def keep(self, page: Page) -> None:
        self._written = page.changes

    def add(self, level: str, event: str, named: Mapping[str, Any], step: Step | None) -> None:
        """A line of the log, without secrets by now."""
        line = {"at": self._now(), "level": level, "event": _cut(event)}
        line |= {"step": step.name, "number": step.number} if step else {}
        line |= {"named": texts} if (texts := _texts(named)) else {}
        with self._guard:
            self._changes += 1
            if len(self._first) < LINES:
                self._first.append(line)
                return
            self._left_out += len(self._last) == LINES
            self._last.append(line)

    def _begin(self, name: str, kind: str) -> Step:
        shown = name if name == kind else _cut(redact(name))
        with self._guard:
            self._begun += 1
            self._changes += 1
            step = Step(self._begun, shown, kind, self._now())
            if step.number <= STEPS:
                self._steps.append(step)
        return step

    def _end(self, step: Step) -> None:
        with self._guard:
            self._changes += 1
            step.seconds = round(self._now() - step.at, 4)
            if step.number > STEPS:
                self._beyond.setdefault(step.kind, Total()).add(step)

    def _now(self) -> float:
        return round(self._clock() - self._began, 4)

    def _is_worth_it(self) -> bool:
        """What took no step and only said how it ended is known by its run: a row for it would be the engine's time."""
        return bool(self._steps) or [line["level"] for line in self._first] not in ([], ["info"])

    def _told(self) -> str:
        more = {
            "beyond": [total.told(kind) for kind, total in self._beyond.items()],
            "lines": list(chain(self._first, self._last)),
            "left_out": self._left_out,
        }
        told = {"steps": [step.told() for step in self._steps]} | {name: value for name, value in more.items() if value}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


class _Here(NamedTuple):
    trail: Trail
    step: Step | None


_here: ContextVar[_Here | None] = ContextVar("chronos_trail", default=None)


def say(line: Mapping[str, Any]) -> None:
    """Notes a line of the log in the trail of the attempt that it is said in, if it is in one."""
    if (here := _here.get()) is not None:
        named = {name: value for name, value in line.items() if name not in NAMED | KNOWN}
        here.trail.add(str(line.get("level", "info")), str(line.get("event", "")), named, here.step)


def _texts(named: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    room = LINE
    for name, value in named.items():
        text = _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
        room -= len(name) + len(text)
        if room < 0:
            break
        texts[_cut(str(name))] = text
    return texts


def _cut(text: str) -> str:
    """As Postgres takes it, in JSON: no NUL, no half of a character."""
    clean = text if text.isprintable() else text.replace("\0", "").encode("utf-8", "replace").decode()
    return clean if len(clean) <= TEXT else f"{clean[: TEXT // 2]} … {clean[-TEXT // 2 :]}"
