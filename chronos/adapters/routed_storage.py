"""All stores as one: a storage path says by its form which of them holds the video."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from agents.ports import Fetched, OutsideStore, Storage
from chronos.adapters.links import is_link
from chronos.adapters.store import Found, Progress, Store, unheard

_OF_A_STORE = re.compile(r"^(s3|gs|az|supabase)://", re.IGNORECASE)


class RoutedStorage:
    """Links go to the web, URLs of stores to those that the settings name, everything else is a key in the own store.
    What is uploaded goes into that."""

    def __init__(self, own: Store, web: Storage, named: Mapping[str, Store] | None = None) -> None:
        """`named`: stores by the URL that paths in them begin with."""
        self._own, self._web, self._named = own, web, named or {}

    async def fetch(self, path: str, room: Path) -> Fetched:
        """See agents.ports.Storage."""
        store, key = self._holder(path)
        return await store.fetch(key, room)

    async def put(self, file: Path, creator_id: str, progress: Progress = unheard) -> str:
        """See Store."""
        return await self._own.put(file, creator_id, progress)

    async def look(self, path: str) -> Found:
        """See Store. What is behind a link is not looked at."""
        store, key = self._own_holder(path)
        return await store.look(key)

    def part(self, path: str, found: Found, first: int, last: int) -> AsyncIterator[bytes]:
        """See Store."""
        store, key = self._own_holder(path)
        return store.part(key, found, first, last)

    def _holder(self, path: str) -> tuple[Storage, str]:
        """What a path leads into, and how the object is called there."""
        return (self._web, path) if is_link(path) and self._among_named(path) is None else self._own_holder(path)

    def _own_holder(self, path: str) -> tuple[Store, str]:
        if (found := self._among_named(path)) is not None:
            return found
        if is_link(path):
            raise OutsideStore("the path is outside the store: what is behind a link is not handed on")
        if other := _OF_A_STORE.match(path):
            raise OutsideStore(f"the path is outside the store: no such {other[0]} is named in CHRONOS_STORES")
        return self._own, path

    def _among_named(self, path: str) -> tuple[Store, str] | None:
        for url, store in self._named.items():
            if path.startswith(f"{url}/"):
                key = path.removeprefix(f"{url}/")
                return store, unquote(key.partition("?")[0]) if is_link(path) else key
        return None
