"""Vectors in Postgres: for each embedding space a partition with an index of its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import structlog

from projections.embeddings import EMBEDDINGS
from streams.postgres import Connection, Pool, load_queries

if TYPE_CHECKING:
    from streams.projector import Batch

log = structlog.get_logger()

SQL = load_queries("projections.sql", "vectors.sql")

INDEX_FROM = 10_000
"""Vectors of a space from which it gets its index. Below, an exact search is quick and finds everything, while a place
in an HNSW graph costs 5 ms of database time for a vector of 1,536 dimensions (measured)."""

WIDEST_VECTOR = 2_000
"""Dimensions. Above it pgvector has no index on `vector`; halfvec takes up to 4,000 (measured)."""


def partition(space: str) -> str:
    """The table of one space's vectors. A hash, since a model's name is no identifier."""
    return f"embeddings_{hashlib.sha256(space.encode()).hexdigest()[:12]}"


def cast(dimensions: int) -> str:
    """The expression that is indexed and searched by. `dimensions` comes out of a vector's length."""
    kind = "vector" if dimensions <= WIDEST_VECTOR else "halfvec"
    return f"embedding::{kind}({int(dimensions)})"


def operators(dimensions: int) -> str:
    return f"{'vector' if dimensions <= WIDEST_VECTOR else 'halfvec'}_cosine_ops"


class Partitions:
    """Makes a space's partition when its first vector comes, and its index when an exact search grows slow."""

    def __init__(self, index: str) -> None:
        self._index = index
        self._made: set[str] = set()

    async def make(self, connection: Connection, batch: Batch) -> None:
        """To be called before the transaction that writes the batch."""
        for key, registers in batch.rows.get(EMBEDDINGS.name, {}).items():
            space = key[0]
            if space not in self._made:
                _, (vector,) = registers["vector"]
                await self._make(connection, space, len(vector) // 4)
                self._made.add(space)

    async def _make(self, connection: Connection, space: str, dimensions: int) -> None:
        name = partition(space)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('chronos.partitions'))")
            if await connection.fetchval("SELECT to_regclass($1)", name):
                return
            literal = await connection.fetchval("SELECT quote_literal($1::text)", space)
            await connection.execute(f"CREATE TABLE {name} PARTITION OF embeddings FOR VALUES IN ({literal})")
        log.info("embedding space", space=space, dimensions=dimensions, table=name)

    async def index_where_it_pays(self, pool: Pool) -> None:
        """Builds the index of each space that has grown beyond exact search, beside running reads and writes."""
        for row in await pool.fetch(SQL["unindexed"]) if self._index != "none" else []:
            name = row["name"]
            if await pool.fetchval(f"SELECT count(*) FROM (SELECT FROM {name} LIMIT {INDEX_FROM})") < INDEX_FROM:  # noqa: S608
                continue
            async with pool.acquire() as connection:
                if not await connection.fetchval(SQL["lock_index"], name):
                    continue  # another process builds it
                try:
                    await self._build(connection, name)
                finally:
                    await connection.execute(SQL["unlock_index"], name)

    async def _build(self, connection: Connection, name: str) -> None:
        if name not in {row["name"] for row in await connection.fetch(SQL["unindexed"])}:
            return  # another process has built it meanwhile
        dimensions = await connection.fetchval(f"SELECT vector_dims(embedding) FROM {name} LIMIT 1")  # noqa: S608
        log.info("building the vector index", table=name, kind=self._index)
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_ann", timeout=None)
        await connection.execute(
            f"CREATE INDEX CONCURRENTLY {name}_ann ON {name} "
            f"USING {self._index} (({cast(dimensions)}) {operators(dimensions)})",
            timeout=None,
        )
