"""Postgres: connections, named queries out of .sql files, and patience while the database is away."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, TypeVar

import asyncpg
import structlog

R = TypeVar("R")
log = structlog.get_logger()

Pool = asyncpg.Pool
Row = asyncpg.Record
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

NoTable = asyncpg.UndefinedTableError
"""Of a schema that was dropped, or is not made yet."""

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server was killed in the middle of a statement, and the protocol lost its place
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # connections, memory, disk
    asyncpg.QueryCanceledError,  # by a limit of the server's
    asyncpg.ReadOnlySQLTransactionError,  # another server has taken over, and this one only reads
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""What says that the database is away or busy, and not that the statement is wrong."""

LONGEST_WAIT = 1.0
"""Seconds between two looks whether the database is back. What was paid for and is not kept yet waits for it: a worker
that is killed before it looks buys that again."""

QUIET = 10.0  # seconds between two lines that say so: each caller that waits would say it once a second

Queries = dict[str, str]


def load_queries(package: str, file: str) -> Queries:
    """The statements of a .sql file by the name in the `-- name: …` line above each."""
    text = files(package).joinpath(file).read_text()
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


async def connect(
    url: str,
    *,
    most: int = 4,
    search_path: str | None = None,
    init: Any = None,  # gets each new connection
    setup: Any = None,  # gets each connection that is taken
) -> Pool:
    """A pool of at most `most` connections, opened as they are needed."""

    async def begin(connection: asyncpg.Connection) -> None:
        if search_path:  # not among the settings of the start: a pooler refuses those that it does not know
            await connection.execute("SELECT set_config('search_path', $1, false)", search_path)
        if init:
            await init(connection)

    settings = {"application_name": "chronos"}
    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=most, server_settings=settings, timeout=10, init=begin, setup=setup, reset=_leave
    )
    assert pool is not None
    return pool


async def _leave(connection: asyncpg.Connection) -> None:
    """asyncpg's own reset is a round trip after each use. Nothing here outlives its transaction: SET LOCAL and
    transaction-level locks only, no LISTEN, no cursor. An open transaction is rolled back all the same."""


class _Quiet:
    """Leave to say something once in a while, in the whole process."""

    def __init__(self) -> None:
        self._until = 0.0

    def may_say(self) -> bool:
        now = time.monotonic()
        if now < self._until:
            return False
        self._until = now + QUIET
        return True


_quiet = _Quiet()


async def patiently(work: Callable[[], Awaitable[R]], *, away: tuple[type[Exception], ...] = AWAY) -> R:
    """Does the work again for as long as the database (or what else `away` says) is away. Any other error is the
    caller's."""
    wait = 0.1
    while True:
        try:
            return await work()
        except away as error:
            if str(error) == "pool is closed":  # by ourselves, at the end: there is nothing to wait for
                raise
            if _quiet.may_say():
                log.warning("away", error=str(error) or type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(LONGEST_WAIT, wait * 2)
