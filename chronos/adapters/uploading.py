"""A local file on its way into a store: read once for its digest, which is in its key, and once more to be sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from agents.ports import StorageUnavailable
from chronos.adapters.file_storage import open_local
from chronos.adapters.keys import upload_key
from chronos.adapters.parts import BLOCK
from chronos.adapters.store import Progress


@dataclass(frozen=True)
class Upload:
    """A file, as it was when it was looked at."""

    file: Path
    size: int  # bytes
    digest: str

    @classmethod
    async def of(cls, file: Path) -> Upload:
        """Raises ObjectMissing, StorageUnavailable: it cannot be read."""
        digest, size = hashlib.sha256(), 0
        async for block in _blocks(file):
            await asyncio.to_thread(digest.update, block)
            size += len(block)
        return cls(file, size, digest.hexdigest())

    def key(self, creator_id: str) -> str:
        return upload_key(creator_id, self.digest, self.file.name)

    async def blocks(self, progress: Progress) -> AsyncIterator[bytes]:
        """What is sent. Before the last of it, it is known to be what the key says.

        Raises:
            StorageUnavailable: somebody writes the file meanwhile.
        """
        digest, left = hashlib.sha256(), self.size
        async for block in _blocks(self.file):
            await asyncio.to_thread(digest.update, block)
            left -= len(block)
            if left < 0 or (left == 0 and digest.hexdigest() != self.digest):
                break
            yield block
            progress(len(block))
        if left or digest.hexdigest() != self.digest:
            raise StorageUnavailable(f"{self.file} changed while it was uploaded: try again when it is whole")


async def _blocks(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(open_local, file) as source:
        while block := await asyncio.to_thread(source.read, BLOCK):
            yield block
