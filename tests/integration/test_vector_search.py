"""The index of an embedding space is used for the question that search asks, also where vectors are too wide for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chronos import app
from chronos.adapters import vectors
from chronos.config import Settings
from streams.projector import Batch

NEAREST = 'SELECT e."index" FROM embeddings AS e WHERE e.space = $2 ORDER BY e.embedding_cast <=> $1::vector LIMIT 10'


@pytest.mark.parametrize("dimensions", [384, 2_000, 2_001, 3_072])
async def test_the_index_answers(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch, dimensions: int):
    monkeypatch.setattr(vectors, "INDEX_FROM", 100)
    settings, space = Settings(database_url=new_database()), f"m/{dimensions}"
    drawn = np.random.default_rng(1).normal(size=(100, dimensions)).astype("<f4")
    async with app.projection_pool(settings) as pool:
        partitions = vectors.Partitions("hnsw")
        async with pool.acquire() as connection:
            await partitions.make(connection, batch(space, drawn[0].tobytes()))
            await connection.executemany(
                "INSERT INTO embeddings VALUES ($1, 'c', 'v', 's', $2, $3)",
                [(space, n, values.tobytes()) for n, values in enumerate(drawn)],
            )
        await partitions.index_where_it_pays(pool)
        statement = NEAREST.replace("embedding_cast", vectors.cast(dimensions))
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            plan = await connection.fetch(f"EXPLAIN {statement}", drawn[7].tobytes(), space)
            found = await connection.fetch(statement, drawn[7].tobytes(), space)
    assert any(f"{vectors.partition(space)}_ann" in row[0] for row in plan), plan
    assert found[0]["index"] == 7


def batch(space: str, values: bytes) -> Batch:
    return Batch((), {"embeddings": {(space, "c", "v", "s", 0): {"vector": (b"", (values,))}}})
