"""A run that is waited for: what the stream of its changes tells, and when to look at the tables instead."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import ValidationError

from chronos.api import change_forms, forms
from chronos.client.calls import WAY, Run, Until, run_id
from chronos.client.errors import NotYet, VideoCancelled, VideoFailed

BETWEEN = 2.0  # seconds of looking before a stream that broke off is opened again
SILENT = 30.0  # seconds: the server says something each 15


@dataclass
class Watch:
    """One wait. The stream is of the log, which is ahead of the tables: what it tells is there a moment later."""

    run: Run
    until: Until
    timeout: float  # seconds
    told: bool = False
    _named: bool = False  # the line before was an event's id
    _began: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds."""
        return self._began + self.timeout - time.monotonic()

    def looking(self) -> float:
        """For how many seconds to ask the tables before the stream is opened again; it tells nothing twice."""
        return self.left() if self.told else min(BETWEEN, self.left())

    def stream(self) -> dict[str, Any]:
        """The words of httpx for the stream."""
        return {"timeout": httpx.Timeout(max(0.1, min(SILENT, self.left())))}

    def hears(self, line: str) -> bool:
        """Whether a line of the stream tells what is waited for, or that it cannot come any more.

        Or that nothing comes, by an event without data: then it is time to look. It may have been told just before the
        stream was opened, and folded just after the look.
        """
        named, self._named = self._named, line.startswith("id:")
        if not line.startswith("data:"):
            return self.left() <= 0 or (named and not line)
        try:
            status = change_forms.Change.model_validate_json(line.removeprefix("data:")).status
        except ValidationError:  # a reset: something was missed
            return True
        self.told = status is not None and (status not in WAY or _is_so_far(status, self.until))
        return self.told

    def reached(self, trace: forms.Trace | None) -> forms.Run | None:
        """The run, if it has come so far. None where it is under way, or not known yet.

        Raises:
            VideoFailed, VideoCancelled.
        """
        if trace is None:
            return None
        status = trace.run.status
        if status not in WAY:
            raise (VideoCancelled if status == "cancelled" else VideoFailed)(trace.run)
        return trace.run if _is_so_far(status, self.until) else None

    def over(self) -> NotYet:
        run = run_id(self.run)
        return NotYet(f"run {run} is not {self.until} after {self.timeout:g} s: wait again, or look at it with `run`")


def _is_so_far(status: str, until: str) -> bool:
    return WAY.index(status) >= WAY.index(until)
