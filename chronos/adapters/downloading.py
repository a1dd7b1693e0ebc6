"""A download, straight to disk: what was got stays when the connection breaks, and the rest is asked for.

Each store says how an object is opened from some byte on; here is what they have in common. The object must be the same
all the time, by its size and its tag, and as long as it said; memory holds a block of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents.ports import Fetched, StorageBusy, StorageInterrupted, StorageRefused, StorageUnavailable
from chronos.adapters.parts import Part


@dataclass(frozen=True)
class Patience:
    """What a download may take."""

    largest: int = 20 << 30
    """Bytes of one object."""

    stall: float = 30.0
    """Seconds for the beginning of an answer, and for every `least` bytes of it after that."""

    least: int = 64 << 10
    """Bytes. Below 2 KB/s no video is worth the slot; above 20 KB/s poor lines would be cut off."""

    connect: float = 10.0
    """Seconds for one address. The next is tried after it."""

    longest: float = 6 * 3600.0
    """Seconds for the whole."""

    redirects: int = 5

    vain: int = 5
    """Breaks in a row that brought nothing, until the attempt ends: it is no place to wait for a store that is away."""

    pause: float = 0.5
    """Seconds before the rest is asked for; twice as long after each break that brought nothing."""

    busy: float = 60.0
    """Seconds that a store may ask for with 429 in the middle. For longer than that the part is not worth the slot."""


USUAL = Patience()


@dataclass(frozen=True)
class Opened:
    """An object from some byte on."""

    size: int | None  # bytes of the whole; None where its end is marked in what comes
    tag: str | None  # None where it cannot be gone on with
    blocks: AsyncIterator[bytes]


class Opens(Protocol):
    """How an object is opened."""

    def __call__(self, first: int, tag: str | None) -> AbstractAsyncContextManager[Opened]:
        """From the byte `first` on; if `tag` is given, only while it is the object's. The block that is using it raises
        StorageInterrupted when the connection breaks.
        """
        ...


class Download:
    """One object on its way to disk."""

    def __init__(self, named: str, opens: Opens, patience: Patience) -> None:
        """`named` is what errors call it: no signature may be in it."""
        self._named, self._opens, self._patience = named, opens, patience
        self._known: tuple[int | None, str | None] | None = None

    async def to(self, file: Path) -> Fetched:
        """Raises what agents.ports.Storage.fetch raises. The file is there if nothing was raised."""
        try:
            async with asyncio.timeout(self._patience.longest):
                with Part(file) as part:
                    await self._all(part)
                    return await part.whole()
        except TimeoutError:
            raise StorageUnavailable(f"{self._named} comes too slowly: the download was given up") from None

    async def _all(self, part: Part) -> None:
        vain = 0
        while True:
            before = part.bytes
            try:
                return await self._more(part)
            except (StorageInterrupted, StorageBusy) as error:
                vain = 0 if part.bytes > before else vain + 1
                if not self._worth_it(error, vain):
                    raise
                asked = error.retry_after if isinstance(error, StorageBusy) else 0.0
                await asyncio.sleep(max(asked, self._patience.pause * 2**vain))

    def _worth_it(self, error: StorageInterrupted | StorageBusy, vain: int) -> bool:
        """Whether to go on here: not where nothing says that it is the same object, nor with nothing to lose."""
        if self._known is None or self._known[1] is None or vain >= self._patience.vain:
            return False
        return isinstance(error, StorageInterrupted) or error.retry_after <= self._patience.busy

    async def _more(self, part: Part) -> None:
        """Asks for the rest, and takes what comes of it."""
        async with self._opens(part.bytes, self._known[1] if self._known else None) as opened:
            if self._known not in (None, (opened.size, opened.tag)):
                raise changed(self._named)
            self._known = opened.size, opened.tag
            self._not_too_large(opened.size or 0)
            await self._take(opened.blocks, part)
        if opened.size is not None and part.bytes != opened.size:
            raise StorageInterrupted(f"{self._named} was cut off: {part.bytes} bytes of {opened.size}")

    async def _take(self, blocks: AsyncIterator[bytes], part: Part) -> None:
        async with asyncio.timeout(self._patience.stall) as left:
            since = 0
            async for block in blocks:
                await part.add(block)
                self._not_too_large(part.bytes)
                since += len(block)
                if since >= self._patience.least:
                    since = 0
                    left.reschedule(asyncio.get_running_loop().time() + self._patience.stall)

    def _not_too_large(self, size: int) -> None:
        if size > self._patience.largest:
            limit = f"{self._patience.largest:,} bytes"
            raise StorageRefused(f"{self._named} has more than {limit}: raise CHRONOS_LARGEST_DOWNLOAD to allow it")


def changed(named: str) -> StorageUnavailable:
    """Somebody writes it, or has put another one in its place: in a moment it may be whole."""
    return StorageUnavailable(f"{named} changed while it was read: try again when it is whole")


def no_parts(named: str) -> StorageUnavailable:
    """It gives an object from its beginning only."""
    return StorageUnavailable(f"{named} broke off, and its server gives no parts of it: it is begun anew")
