"""The steps of one run: free effects, and paid ones several at once, given in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from streams import tracing, trail
from streams.codec import Received
from streams.journal import Journal, Lease
from streams.metrics import STEP_SECONDS, step_kind
from streams.paying import Purse
from streams.stage import Kept, PaidCall
from streams.telling import Cancelled, Fenced

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")


class Steps:
    """Fulfils streams.stage.Step for one attempt of one run."""

    def __init__(self, journal: Journal, received: Received, lease: Lease, purse: Purse) -> None:
        self.run_id, self.input_at = received.run_id, received.at
        self._journal, self._lease, self._purse = journal, lease, purse

    @property
    def input_id(self) -> str:
        return self._lease.key.input_id

    @property
    def attempt(self) -> int:
        return self._lease.attempt

    async def __call__(self, name: str, effect: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._lease.cancelled:
            raise Cancelled
        if not self._lease.is_good():
            raise Fenced
        with self._seen(name):
            return await effect(*args, **kwargs)

    async def once(self, name: str, choose: Callable[[], Awaitable[bytes]]) -> bytes:
        place = f"{self._lease.key.function}/{self.input_id}/{name}"  # not by fingerprint: a new version keeps it
        if (chosen := await self._journal.chosen(place)) is not None:
            with self._lease.trail.step(name, step_kind(name)) as step:
                step.remembered = 1
            return chosen
        return await self._journal.choose(place, await self(name, choose))

    async def each(self, name: str, call: PaidCall[A], arguments: Sequence[A]) -> AsyncIterator[tuple[A, Kept]]:
        async for batch in self.batches(name, call, arguments, size=1):
            yield batch[0]

    async def batches(
        self, name: str, call: PaidCall[A], arguments: Sequence[A], *, size: int
    ) -> AsyncIterator[list[tuple[A, Kept]]]:
        """In order. After a fault no new call is made, but what was paid for is still yielded, so that it gets onto
        the log before the run is said to have failed; then the first fault is raised."""
        parts = [arguments[i : i + size] for i in range(0, len(arguments), size)]
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self._part(name, call, part, stop)) for part in parts]
        first: BaseException | None = None
        try:
            for part, task in zip(parts, tasks, strict=True):
                await asyncio.wait([task])
                error = asyncio.CancelledError() if task.cancelled() else task.exception()
                if error is None:
                    yield list(zip(part, task.result(), strict=True))
                elif first is None or isinstance(first, asyncio.CancelledError):
                    first = error
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if first is not None:
            raise first

    async def _part(self, name: str, call: PaidCall[A], part: Sequence[A], stop: asyncio.Event) -> list[Kept]:
        try:
            with self._seen(name) as step:
                kept = await self._purse.pay(call, part, stop)
                own = self._purse.used.own()
                step.bought = sum(one.key in own for one in kept)
                step.remembered = len(kept) - step.bought
                return kept
        except BaseException:
            stop.set()
            raise

    @contextmanager
    def _seen(self, name: str) -> Iterator[trail.Step]:
        """A step's time, span and place in the trail. Not around a generator's own `yield`: its caller would be inside
        the span as well."""
        kind, seconds = step_kind(name), STEP_SECONDS.labels(self._lease.key.function, step_kind(name))
        with seconds.time(), tracing.step(kind), self._lease.trail.step(name, kind) as step:
            yield step
