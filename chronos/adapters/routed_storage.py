"""The store and what links lead to, as one: a storage path says by its form which of them holds the video."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from agents.ports import Fetched, Storage
from chronos.adapters.file_storage import FileStorage, Progress
from chronos.adapters.links import is_link


class RoutedStorage:
    """Links go to the web, everything else is a key in the store. What is uploaded goes into the store."""

    def __init__(self, own: FileStorage, web: Storage) -> None:
        self._own, self._web = own, web

    async def fetch(self, path: str, room: Path) -> Fetched:
        """See agents.ports.Storage."""
        holder: Storage = self._web if is_link(path) else self._own
        return await holder.fetch(path, room)

    async def put(self, file: Path, creator_id: str, progress: Progress = lambda _: None) -> str:
        """See FileStorage.put."""
        return await self._own.put(file, creator_id, progress)

    def open(self, path: str) -> BinaryIO:
        """An object of the store. See FileStorage.open."""
        return self._own.open(path)
