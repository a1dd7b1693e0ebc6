"""What operators see of an attempt: one line of the log, its metrics, and what its span says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, assert_never

import structlog

from streams import metrics, tracing
from streams.codec import Received
from streams.journal import Ending, Lease
from streams.retry import Again, Dead, Done, Held, Verdict

log = structlog.get_logger()


@dataclass
class Attempt:
    """One attempt, as it is seen from outside."""

    function: str
    received: Received
    lease: Lease
    _began: float = field(default_factory=time.monotonic)
    _outcome: str = "given_back"  # until something else came of it

    @contextmanager
    def seen(self) -> Iterator[None]:
        """Around the whole of it."""
        try:
            headers = self.received.record.headers
            with self.lease.trail.followed(), tracing.run(self.function, headers, self._about):
                yield
        finally:
            metrics.ATTEMPTS.labels(self.function, self._outcome).inc()
            metrics.ATTEMPT_SECONDS.labels(self.function).observe(time.monotonic() - self._began)

    def verdict(self, verdict: Verdict) -> None:
        """What was made of it."""
        match verdict:
            case Done():
                self._over("completed")
                log.info("done", **self._where())
            case Again(after, problem, charged):
                self._outcome = "again" if charged else "waits"
                why = f"{problem.type}: {problem.message}"
                tracing.note(outcome=self._outcome, **{"error" if charged else "waits_for": why})
                said = {"after": round(after, 2), "error": problem.type, "message": problem.message}
                log.info("again", **self._where(), **said)
            case Dead(problem):
                self._over("failed", error=f"{problem.type}: {problem.message}")
                log.info("failed", **self._where(), error=problem.type, message=problem.message)
            case _:
                assert_never(verdict)

    def cancelled(self) -> None:
        self._over("cancelled")
        log.info("cancelled", function=self.function, video=self.received.event.subject())

    def held(self, error: Held) -> None:
        """Its creator's budget is used up."""
        self._outcome = "held"
        tracing.note(outcome="held", waits_for=str(error))
        log.info("held", **self._where(), message=str(error))

    def _over(self, ending: Ending, **more: str) -> None:
        self._outcome = ending
        metrics.RUNS.labels(self.function, ending).inc()
        begun = self.lease.sequence / 1e6  # by the database's clock
        metrics.RUN_SECONDS.labels(self.function).observe(max(0.0, time.time() - begun))
        tracing.note(outcome=ending, **more)

    def _where(self) -> dict[str, Any]:
        record, event = self.received.record, self.received.event
        return {
            "function": self.function,
            "video": event.subject(),
            "creator": event.owner(),
            "partition": f"{record.topic}/{record.partition}",
            "offset": record.offset,
            "attempt": self.lease.attempt,
        }

    def _about(self) -> dict[str, Any]:
        """What the span of a run says of it. Ids may be many here, unlike in a metric."""
        record, event = self.received.record, self.received.event
        return {
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "chronos.run": self.received.run_id,
            "chronos.video": event.subject(),
            "chronos.creator": event.owner(),
            "chronos.attempt": self.lease.attempt,
        }
