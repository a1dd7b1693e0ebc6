"""Poolers between us and Postgres: one that gives each session a connection is fine, one that lends it by the
transaction is not.

Between two transactions it takes from us what we rely on: the search path that finds the active tables, the locks of a
rebuild and of an index that is built, prepared statements.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg

from streams.postgres import Connection

TRIES = 3  # under load the pooler may have lent the connection to another in between
PATIENCE = 5.0  # seconds; a pooler of sessions with one connection left has a second one wait


class PooledByTransaction(Exception):
    """The database is behind a pooler in transaction mode."""


async def refuse_a_pooler_of_transactions(url: str, connection: Connection) -> None:
    """
    Raises:
        PooledByTransaction: with the remedy.
    """
    if await _backend(connection) == connection.get_server_pid():
        return  # nothing is in between: one round trip, and that is all
    for _ in range(TRIES):
        if await _lends_by_transaction(url, connection):
            raise PooledByTransaction(
                "DATABASE_URL leads to a pooler in transaction mode, which changes connections under us: use its "
                "session mode (Supabase: port 5432 of the pooler instead of 6543; PgBouncer: pool_mode = session), or "
                "the database itself"
            )


async def _backend(connection: Connection) -> int:
    async with connection.transaction():  # a pooler keeps to one connection meanwhile
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def _lends_by_transaction(url: str, connection: Connection) -> bool:
    """Whether a second session is served by the process that served us a moment ago."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            other = await asyncpg.connect(url, statement_cache_size=0)
            try:
                return await _backend(connection) == await _backend(other)
            finally:
                await other.close(timeout=1)
    return False
