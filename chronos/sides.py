"""The sides of the projection: the tables that readers look at, and those that a rebuild makes beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Literal

import asyncpg

from chronos.adapters import vector_codec
from chronos.config import Settings
from chronos.pooling import refuse_a_pooler_of_transactions
from streams import journal, postgres
from streams.postgres import Connection, Pool, load_queries

SQL = load_queries("projections.sql", "sides.sql")

LAYOUT = "projection_2"
"""The layout of the tables, and the schema of the first side. The number rises when the layout changes: then the log is
folded anew into the new one."""

GROUP = "chronos.projection"


@dataclass(frozen=True)
class Side:
    """Tables of the projection in a schema of their own."""

    schema: str
    state: Literal["building", "live"]
    made_at: datetime

    @property
    def group(self) -> str:
        """The consumer group that keeps it live."""
        return group_of(self.schema)


def group_of(schema: str) -> str:
    return GROUP if schema == LAYOUT else f"{GROUP}.{schema}"


def is_projection(group: str) -> bool:
    """Each side of the projection has a group of its own."""
    return group == GROUP or group.startswith(f"{GROUP}.")


@asynccontextmanager
async def projection_pool(settings: Settings, *, most: int = 4, schema: str | None = None) -> AsyncIterator[Pool]:
    """Connections that find the projection's tables, which are made where they are missing. Without a schema they are
    the active ones, looked up each time that a connection is taken: a switch needs no restart."""
    if schema is None:
        await _prepare_where_it_is_missing(settings)
        pool = await postgres.connect(settings.database(), most=most, init=_init_reader, setup=_use_active)
    else:
        await prepare_schema(settings, schema)
        pool = await postgres.connect(
            settings.database(), most=most, search_path=f"{schema}, public", init=vector_codec.register
        )  # fmt: skip
    try:
        yield pool
    finally:
        await pool.close()


async def _init_reader(connection: asyncpg.Connection) -> None:
    """Filters may be absent (`$1 IS NULL OR creator_id = $1`): a plan that fits every value uses no index of theirs,
    and took 25 ms with 100,000 videos where one that is made for the value takes 2."""
    await vector_codec.register(connection)
    await connection.execute("SET plan_cache_mode = force_custom_plan")


async def _use_active(connection: Connection) -> None:
    await connection.fetchval(SQL["use_active"], LAYOUT)


async def _prepare_where_it_is_missing(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database(), timeout=10)
    try:
        await refuse_a_pooler_of_transactions(settings.database(), connection)
        known = await connection.fetchval(SQL["known"])
        if known and await connection.fetchval(SQL["active"], LAYOUT):
            return
    finally:
        await connection.close()
    await prepare(settings)
    pool = await postgres.connect(settings.database(), most=1)
    try:
        await journal.prepare(pool)
    finally:
        await pool.close()


async def prepare(settings: Settings) -> None:
    """Makes the tables of every side, where they are missing; the first side where there is none."""
    async with one_connection(settings) as connection, connection.transaction():
        await _lock(connection)
        await connection.execute(SQL["prepare"])
        await connection.execute(SQL["first"], LAYOUT)
        await connection.execute(SQL["first_active"], LAYOUT)
        for side in await sides(connection):
            await _make(connection, side.schema)


async def prepare_schema(settings: Settings, schema: str) -> None:
    """Makes a schema with the projection's tables, where they are missing. `schema` is a name of ours."""
    async with one_connection(settings) as connection, connection.transaction():
        await _lock(connection)
        await _make(connection, schema)


async def _lock(connection: Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('chronos.schema'))")


async def _make(connection: Connection, schema: str) -> None:
    await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    await connection.execute(f'SET LOCAL search_path TO "{schema}", public')
    await connection.execute(files("projections.sql").joinpath("tables.sql").read_text())


async def drop_schema(settings: Settings, schema: str) -> None:
    """Drops a schema of ours with all its tables."""
    async with one_connection(settings) as connection:
        await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE', timeout=None)


@asynccontextmanager
async def one_connection(settings: Settings) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(settings.database(), timeout=10, server_settings={"application_name": "chronos"})
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def sides(connection: Connection | Pool) -> list[Side]:
    return [Side(row["schema"], row["state"], row["made_at"]) for row in await connection.fetch(SQL["sides"], LAYOUT)]


async def active_group(connection: Connection | Pool) -> str:
    """The consumer group that keeps live what readers look at."""
    return group_of((await active(connection))[0])


async def active(connection: Connection | Pool) -> tuple[str, str | None]:
    """The schema that readers look at, and the one before."""
    row = await connection.fetchrow(SQL["active"], LAYOUT)
    return (row["schema"], row["before"]) if row else (LAYOUT, None)
