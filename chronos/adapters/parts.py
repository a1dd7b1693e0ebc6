"""A file that is being written, block by block: counted, digested, and gone again if it does not become whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from agents.ports import Fetched, StorageUnavailable

BLOCK = 1 << 20
"""Bytes at once: smaller blocks hop to the thread pool too often, larger ones delay a cancellation."""


class Part:
    """Used as a block; the file stays if `whole` was called.

    Raises:
        StorageUnavailable: the disk is full or broken.
    """

    def __init__(self, file: Path) -> None:
        self.bytes = 0
        self._file, self._digest = file, hashlib.sha256()
        self._waiting = bytearray()
        self._whole = False

    def __enter__(self) -> Self:
        try:
            self._out = self._file.open("wb", buffering=0)
        except OSError as error:
            raise disk_trouble(error, 0) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._out.close()
        if not self._whole:
            with suppress(OSError):
                self._file.unlink()

    async def add(self, some: bytes) -> None:
        self.bytes += len(some)
        self._waiting += some
        if len(self._waiting) >= BLOCK:
            await self._flush()

    async def whole(self) -> Fetched:
        """Nothing more comes: the file is what it was to be."""
        await self._flush()
        self._whole = True
        return Fetched(self._file, self.bytes, self._digest.hexdigest())

    async def _flush(self) -> None:
        block, self._waiting = self._waiting, bytearray()
        try:
            await asyncio.to_thread(self._write, block)
        except OSError as error:
            raise disk_trouble(error, self.bytes) from error

    def _write(self, block: bytearray) -> None:
        self._digest.update(block)
        left = memoryview(block)
        while left:
            left = left[self._out.write(left) :]


def disk_trouble(error: OSError, after: int) -> StorageUnavailable:
    """What an error of the local disk means, `after` so many bytes."""
    remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the disk"
    return StorageUnavailable(f"copying stopped after {after} bytes ({error.strerror}): {remedy}")
