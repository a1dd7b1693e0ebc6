"""Whose turn it is: a queue for each creator, served in rotation, so that nobody waits behind another's backlog."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

J = TypeVar("J")


@dataclass
class _Lane(Generic[J]):
    live: deque[J] = field(default_factory=deque)
    behind: deque[J] = field(default_factory=deque)  # reprocessing: after all live work of everybody
    running: int = 0
    resting: bool = False


class Lanes(Generic[J]):
    """Jobs by lane. A lane runs at most `limit` at once, all lanes together at most `total`."""

    def __init__(self, limit: int, total: int) -> None:
        self._limit, self._total = limit, total
        self._lanes: dict[str, _Lane[J]] = {}
        self._turns: dict[bool, deque[str]] = {False: deque(), True: deque()}  # lanes with something to take, in turn
        self._queued: dict[bool, set[str]] = {False: set(), True: set()}
        self.running = 0
        self.waiting = 0

    def put(self, lane: str, job: J, *, behind: bool = False, first: bool = False) -> None:
        """`first`: before all others of its lane."""
        state = self._lanes.setdefault(lane, _Lane())
        queue = state.behind if behind else state.live
        if first:
            queue.appendleft(job)
        else:
            queue.append(job)
        self.waiting += 1
        self._line_up(lane, state)

    def take(self) -> tuple[str, J] | None:
        """The next job that may start, which then runs until `done`; None when all must wait."""
        if self.running >= self._total:
            return None
        for behind in (False, True):
            if (turn := self._next(behind)) is not None:
                return turn
        return None

    def put_back(self, lane: str, job: J, *, behind: bool = False) -> None:
        """A job that was taken does not start: it is the first of its lane again."""
        state = self._lanes[lane]
        state.running -= 1
        self.running -= 1
        (state.behind if behind else state.live).appendleft(job)
        self.waiting += 1
        self._line_up(lane, state)

    def rest(self, lane: str) -> bool:
        """Nothing of this lane starts until it is woken. False: it rests already."""
        state = self._lanes.setdefault(lane, _Lane())
        was, state.resting = state.resting, True
        return not was

    def wake(self, lane: str) -> None:
        if (state := self._lanes.get(lane)) is not None:
            state.resting = False
            self._line_up(lane, state)

    def done(self, lane: str) -> None:
        """A job of this lane has ended, or was set aside."""
        state = self._lanes[lane]
        state.running -= 1
        self.running -= 1
        if not state.running and not state.live and not state.behind:
            del self._lanes[lane]
        else:
            self._line_up(lane, state)

    def drain(self) -> list[J]:
        """Takes out all that waits, and leaves what runs."""
        jobs = [job for state in self._lanes.values() for job in (*state.live, *state.behind)]
        for state in self._lanes.values():
            state.live.clear()
            state.behind.clear()
        self._lanes = {lane: state for lane, state in self._lanes.items() if state.running}
        for behind in (False, True):
            self._turns[behind].clear()
            self._queued[behind].clear()
        self.waiting = 0
        return jobs

    def _next(self, behind: bool) -> tuple[str, J] | None:
        turns, queued = self._turns[behind], self._queued[behind]
        while turns:
            lane = turns.popleft()
            queued.discard(lane)
            state = self._lanes.get(lane)
            queue = (state.behind if behind else state.live) if state else None
            if state is None or not queue or state.resting or state.running >= self._limit:
                continue  # it lines up again when it is woken, or a job of its own ends
            job = queue.popleft()
            state.running += 1
            self.running += 1
            self.waiting -= 1
            self._line_up(lane, state)
            return lane, job
        return None

    def _line_up(self, lane: str, state: _Lane[J]) -> None:
        if state.resting or state.running >= self._limit:
            return
        for behind, queue in ((False, state.live), (True, state.behind)):
            if queue and lane not in self._queued[behind]:
                self._queued[behind].add(lane)
                self._turns[behind].append(lane)
