"""The projection's tables: connections that find them, and their making. It knows neither Kafka nor any event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from chronos.adapters import vector_codec
from chronos.config import Settings
from streams import postgres
from streams.postgres import Pool

PROJECTION_SCHEMA = "projection_1"  # the number rises with the tables' layout: they are folded again into the new one


@asynccontextmanager
async def projection_pool(settings: Settings, *, most: int = 4, schema: str = PROJECTION_SCHEMA) -> AsyncIterator[Pool]:
    """Connections that find the projection's tables, which are made where they are missing."""
    await prepare_schema(settings, schema)
    pool = await postgres.connect(
        settings.database(), most=most, search_path=f"{schema}, public", init=vector_codec.register
    )  # fmt: skip
    try:
        yield pool
    finally:
        await pool.close()


async def prepare_schema(settings: Settings, schema: str) -> None:
    """Makes a schema with the projection's tables, where they are missing. `schema` is a name of ours."""
    tables = files("projections.sql").joinpath("tables.sql").read_text()
    pool = await postgres.connect(settings.database(), most=1)
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('chronos.schema'))")
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            await connection.execute(f'SET LOCAL search_path TO "{schema}", public')
            await connection.execute(tables)
    finally:
        await pool.close()


async def drop_schema(settings: Settings, schema: str) -> None:
    """Drops a schema of ours with all its tables."""
    pool = await postgres.connect(settings.database(), most=1)
    try:
        await pool.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE', timeout=None)
    finally:
        await pool.close()
