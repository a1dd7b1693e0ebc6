"""Runs that killed workers are taken alone: nothing else runs in the process beside them, so that no innocent dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Company:
    """Who runs in this process: any number of ordinary runs, or one alone. Who waits to be alone goes first."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._beside, self._wanting, self._alone = 0, 0, False

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """For an ordinary run."""
        if self._alone or self._wanting:
            await self._until(lambda: not (self._alone or self._wanting))
        self._beside += 1
        try:
            yield
        finally:
            self._beside -= 1
            await self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """For a run that killed workers: begins when all others have ended."""
        self._wanting += 1
        try:
            await self._until(lambda: not (self._alone or self._beside))
        except BaseException:
            self._wanting -= 1
            await self._tell()  # who waited behind it goes on
            raise
        self._wanting -= 1
        self._alone = True
        try:
            yield
        finally:
            self._alone = False
            await self._tell()

    async def _until(self, free: Callable[[], bool]) -> None:
        self._waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(free)
        finally:
            self._waiting -= 1

    async def _tell(self) -> None:
        if self._waiting:
            async with self._changed:
                self._changed.notify_all()
