"""Many small requests as few large ones: who asks while a batch is under way goes into the next."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

GATHER = 0.010
"""Seconds between the beginnings of two batches of a busy batcher. More would be felt in a step's time, and by a video
alone, which comes back to each batcher of the journal after some 15 ms."""


class Batcher(Generic[Q, A]):
    """Group commit: an idle batcher works at once, so that one request alone waits for nothing; a busy one gathers.
    Requests with an equal key never share a batch (a statement must not touch a row twice). `observe` gets the seconds
    that each batch took."""

    def __init__(
        self,
        work: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        key: Callable[[Q], Hashable] = id,
        most: int = 500,
        observe: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        self._work, self._key, self._most, self._observe = work, key, most, observe
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._next = 0.0  # when the next batch may begin, unless it is full

    async def __call__(self, request: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # lets everybody who is ready in this turn of the loop ask
            while self._waiting:
                if len(self._waiting) < self._most and (rest := self._next - time.monotonic()) > 0:
                    await asyncio.sleep(rest)
                self._next = time.monotonic() + GATHER
                await self._one(self._take())
        finally:
            self._task = None

    async def _one(self, batch: list[tuple[Q, asyncio.Future[A]]]) -> None:
        began = time.monotonic()
        try:
            answers = await self._work([request for request, _ in batch])
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not isinstance(error, Exception):
                raise
            return
        self._observe(time.monotonic() - began)
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    def _take(self) -> list[tuple[Q, asyncio.Future[A]]]:
        batch: list[tuple[Q, asyncio.Future[A]]] = []
        later: list[tuple[Q, asyncio.Future[A]]] = []
        seen: set[Hashable] = set()
        while self._waiting and len(batch) < self._most:
            request, future = self._waiting.popleft()
            key = self._key(request)
            (later if key in seen else batch).append((request, future))
            seen.add(key)
        self._waiting.extendleft(reversed(later))
        return batch
