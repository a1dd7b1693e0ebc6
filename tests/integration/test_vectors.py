"""The vector index on a real Postgres: what interrupts its building must not leave search slow for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from chronos import app
from chronos.adapters import vectors
from chronos.config import Settings
from streams.postgres import Pool
from tests.stack import until

SPACE = "s/3"
TABLE = vectors.partition(SPACE)
INDEX = f"{TABLE}_ann"


@pytest.fixture
async def pool(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """A space with as many vectors as make an index pay."""
    monkeypatch.setattr(vectors, "INDEX_FROM", 20)
    async with app.projection_pool(Settings(database_url=new_database()), schema="one") as pool:
        await pool.execute(f"CREATE TABLE {TABLE} PARTITION OF embeddings FOR VALUES IN ('{SPACE}')")
        await pool.execute(
            f"INSERT INTO {TABLE} SELECT '{SPACE}', 'ada', 'v', 'set', n, ARRAY[n, 1, 1]::float4[]::vector, '' "
            "FROM generate_series(1, 20) AS n"
        )
        yield pool


async def is_valid(pool: Pool) -> bool | None:
    """None: there is no index."""
    found: bool | None = await pool.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", INDEX
    )
    return found


@asynccontextmanager
async def being_built(pool: Pool) -> AsyncIterator[asyncio.Task[None]]:
    """Somebody builds the index, and waits in the middle of it for as long as this lasts."""
    async with pool.acquire() as writer, writer.transaction():
        await writer.execute(f"LOCK {TABLE} IN ROW EXCLUSIVE MODE")
        building = asyncio.create_task(vectors.Partitions("hnsw").index_where_it_pays(pool))
        await until("it is begun", lambda: pool.fetchval("SELECT to_regclass($1)", INDEX))
        yield building


async def test_an_index_whose_building_was_interrupted_is_built_anew(pool: Pool):
    async with being_built(pool) as building:
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
    assert await is_valid(pool) is False
    await vectors.Partitions("hnsw").index_where_it_pays(pool)
    assert await is_valid(pool)


async def test_what_another_process_builds_is_left_to_it(pool: Pool):
    async with being_built(pool) as building:
        await vectors.Partitions("hnsw").index_where_it_pays(pool)
        assert await is_valid(pool) is False
    await building
    assert await is_valid(pool)


async def test_an_index_that_is_there_is_left_alone(pool: Pool):
    await vectors.Partitions("hnsw").index_where_it_pays(pool)
    before = await pool.fetchval("SELECT to_regclass($1)::oid", INDEX)
    await vectors.Partitions("hnsw").index_where_it_pays(pool)
    assert await pool.fetchval("SELECT to_regclass($1)::oid", INDEX) == before
