"""The embedding spaces that are in use, as the projection knows them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from agents.ports import Embedder, EmbeddingRefused
from chronos.embedders import Embedders, parts_of
from chronos.tokens import vocabulary
from streams.postgres import Pool, load_queries, patiently

SQL = load_queries("projections.sql", "spaces.sql")

BELIEVED = 1.0
"""Seconds for which a worker goes by what it saw. At 0 each run would ask the database once more; who fills a new space
waits for it, so that no video is missed."""


class ProjectedSpaces:
    """See agents.ports.Spaces."""

    def __init__(self, pool: Pool, embedders: Embedders) -> None:
        self._pool, self._embedders = pool, embedders
        self._seen: dict[str, str] = {}  # state by name, best first
        self._seen_at = float("-inf")
        self._look = asyncio.Lock()

    async def in_use(self, wanted: str | None) -> list[str]:
        known = {space: state for space, state in (await self._states()).items() if self._embedders.allows(space)}
        names = [space for space, state in known.items() if state != "retired"]
        if not known:
            names = [self._embedders.default]  # the first workers are quicker than the projection
        if wanted is not None:
            names = [space for space in names if wanted in (space, parts_of(space)[0])]
        if not names:
            raise EmbeddingRefused(
                f"embedding space {wanted!r} is not in use here: `chronos embeddings list` says which are, "
                "`chronos embeddings build` fills another; or leave embeddingModel out"
                if wanted
                else "every embedding space is retired: `chronos embeddings build` fills one"
            )
        return names

    def counter(self, space: str) -> Callable[[str], int] | None:
        known = vocabulary(parts_of(space)[0])
        return known.count if known.encoding else None

    async def embedder(self, space: str) -> Embedder | None:
        if (await self._states()).get(space) == "retired":
            return None
        if not self._embedders.allows(space):
            raise EmbeddingRefused(
                f"the model of embedding space {space} is not allowed here: give its price in CHRONOS_EMBEDDING_PRICES"
            )
        return self._embedders.of(space)

    async def _states(self) -> dict[str, str]:
        async with self._look:
            if time.monotonic() - self._seen_at > BELIEVED:
                asked_at = time.monotonic()
                rows = await patiently(lambda: self._pool.fetch(SQL["states"]))
                self._seen, self._seen_at = {row["space"]: row["state"] for row in rows}, asked_at
            return self._seen
