"""Work that may take longer than a request should: it goes on in this server, and is asked about by its id.

It is kept in memory: a server that is started anew knows nothing of it. What an operation has done is on the log by
then (`GET /v1/acts`); a plan is asked for again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from chronos import operations
from chronos.cli.errors import explain

log = structlog.get_logger()

PATIENCE = 5.0  # seconds that a request waits for its operation, as for the tables
KEPT = 200  # operations that are over and can still be asked about

Progress = Callable[[str, float], None]
Work = Callable[[Progress], Awaitable[dict[str, Any]]]


@dataclass
class Operation:
    """Something that was begun."""

    kind: str
    target: str
    by: str
    task: asyncio.Future[dict[str, Any]]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    step: str = ""
    share: float = 0.0

    @property
    def state(self) -> Literal["running", "done", "failed"]:
        if not self.task.done():
            return "running"
        return "failed" if self.error else "done"

    @property
    def error(self) -> BaseException | None:
        if not self.task.done():
            return None
        return asyncio.CancelledError() if self.task.cancelled() else self.task.exception()

    @property
    def result(self) -> dict[str, Any] | None:
        return self.task.result() if self.state == "done" else None

    @property
    def problem(self) -> str | None:
        if isinstance(self.error, Exception):
            return explain(self.error)
        return "the server was stopped meanwhile" if self.error else None


class Operations:
    """Those of one server."""

    def __init__(self) -> None:
        self.known: dict[str, Operation] = {}
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def begin(self, kind: str, target: str, by: str, work: Work, *, changing: bool) -> Operation:
        """Begins, and waits a while. What changes something has its turn after others of its kind: the same request,
        sent twice, is carried out once, since its plan does not hold the second time.

        Raises:
            What the work raises within that while.
        """
        told: list[Operation] = []

        def progress(step: str, share: float) -> None:
            told[0].step, told[0].share = step, min(1.0, share)

        with operations.acting(by):
            task = asyncio.create_task(self._work(kind, work, progress, changing=changing))
        operation = Operation(kind, target, by, task)
        told.append(operation)
        self.known[operation.id] = operation
        task.add_done_callback(lambda _: self._over(operation))
        await asyncio.wait([task], timeout=PATIENCE)
        if operation.error:
            raise operation.error
        return operation

    async def _work(self, kind: str, work: Work, progress: Progress, *, changing: bool) -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            if changing:
                await stack.enter_async_context(self._turns[kind])
            return await work(progress)

    def _over(self, operation: Operation) -> None:
        operation.ended_at = datetime.now(UTC)
        if operation.error:
            log.warning("operation failed", kind=operation.kind, target=operation.target, error=operation.problem)
        over = [one.id for one in self.known.values() if one.ended_at is not None]
        for id in over[:-KEPT]:
            del self.known[id]

    async def close(self) -> None:
        """Stops what is going on: a rewind takes its wish back."""
        tasks = [one.task for one in self.known.values() if one.ended_at is None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
