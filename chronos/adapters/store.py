"""What a store is to this program: more than the functions need of it (agents.ports.Storage)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents.ports import Storage

Progress = Callable[[int], None]
"""Told the bytes of each block that was uploaded."""


@dataclass(frozen=True)
class Found:
    """An object as it is now."""

    size: int  # bytes
    tag: str | None  # another one for other content; None where the store gives none


def unheard(_size: int) -> None:
    """Progress that nobody looks at."""


class Store(Storage, Protocol):
    """Where videos are, can be put, and can be played from."""

    async def put(self, file: Path, creator_id: str, progress: Progress = unheard) -> str:
        """Uploads a local file and gives its key, which its content decides: a second upload changes nothing.

        Raises:
            ObjectMissing: there is no such file. StorageRefused, StorageUnavailable: the store does not take it.
        """
        ...

    async def look(self, path: str) -> Found:
        """Raises what `fetch` raises."""
        ...

    def part(self, path: str, found: Found, first: int, last: int) -> AsyncIterator[bytes]:
        """The bytes from `first` to `last`, which is one of them, of the object as it was found.

        Raises:
            StorageUnavailable: it is another one by now, and what `fetch` raises.
        """
        ...
