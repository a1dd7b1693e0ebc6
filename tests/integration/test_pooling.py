"""A real PgBouncer before the database: its session mode works, its transaction mode is refused with the remedy."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg
import pytest

from chronos import sides
from chronos.config import Settings
from chronos.devstack.ports import free_port
from chronos.pooling import PooledByTransaction
from chronos.sides import LAYOUT, projection_pool
from streams import journal
from tests.secured import certificate
from tests.stack import until

BOUNCER = shutil.which("pgbouncer")
pytestmark = pytest.mark.skipif(
    BOUNCER is None, reason="THERE IS NO PGBOUNCER HERE: nothing says whether Chronos still works behind a pooler"
)

CONFIG = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = 20
logfile = {log}
{more}
"""
TLS = """
client_tls_sslmode = require
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
"""


@asynccontextmanager
async def pooled(url: str, mode: str) -> AsyncIterator[str]:
    """The URL of the database behind a pooler of its own."""
    with bouncing(url, mode) as through:
        await until("the pooler answers", lambda: _answers(through), 20)
        yield through


@contextmanager
def bouncing(url: str, mode: str, more: str = "") -> Iterator[str]:
    parts, own = urlsplit(url), free_port()
    assert BOUNCER
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        users, config, log = (Path(folder) / name for name in ("users.txt", "pgbouncer.ini", "log"))
        users.write_text(f'"{parts.username}" "{unquote(parts.password or "")}"\n')
        where = {"host": parts.hostname, "port": parts.port, "own": own}
        config.write_text(CONFIG.format(**where, users=users, mode=mode, log=log, more=more))
        nobody = pwd.getpwnam("nobody")  # it refuses to run as root
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        process = subprocess.Popen([BOUNCER, "-q", str(config)], stderr=subprocess.DEVNULL, **user)
        try:
            yield urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{own}"))
        finally:
            process.terminate()
            process.wait(10)


async def _answers(url: str) -> bool:
    try:
        await (await asyncpg.connect(url, timeout=2)).close()
    except (OSError, asyncpg.PostgresError):
        return False
    return True


async def test_behind_a_pooler_of_sessions_tables_and_journal_work(new_database: Callable[[], str]) -> None:
    async with pooled(new_database(), "session") as url:
        settings = Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
        async with projection_pool(settings) as pool, projection_pool(settings, schema=LAYOUT) as folding:
            await journal.prepare(pool)
            assert await journal.Journal(pool).is_empty()
            for one in (pool, folding):  # both find the tables by a search path of their own
                assert await one.fetchval("SELECT count(*) FROM videos") == 0


async def test_a_pooler_of_transactions_is_refused_with_the_remedy(new_database: Callable[[], str]) -> None:
    async with pooled(new_database(), "transaction") as url:
        settings = Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
        with pytest.raises(PooledByTransaction, match="session mode"):
            async with projection_pool(settings):
                pass


async def test_what_it_would_have_lost_is_real(new_database: Callable[[], str]) -> None:
    """Two sessions that take turns: the search path of one is found by the other."""
    async with pooled(new_database(), "transaction") as url:
        one = await asyncpg.connect(url, statement_cache_size=0)
        other = await asyncpg.connect(url, statement_cache_size=0)
        await one.execute("SET search_path TO of_the_first")
        async with other.transaction():
            assert await other.fetchval("SHOW search_path") == "of_the_first"
        await asyncio.gather(one.close(), other.close())


async def test_over_tls_who_answers_must_be_who_the_authority_says(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """To a pooler, since the embedded Postgres was built without TLS."""
    with tempfile.TemporaryDirectory() as folder:
        authority, key = certificate(Path(folder))
        for file in (Path(folder), authority, key):  # another user has to read them
            file.chmod(0o755)
        other, _ = certificate(tmp_path_factory.mktemp("other"))
        with bouncing(new_database(), "session", TLS.format(certificate=authority, key=key)) as url:
            good = f"{url}?sslmode=verify-full&sslrootcert={authority}"
            await until("the pooler answers", lambda: _answers(good), 20)
            async with projection_pool(Settings(database_url=good, kafka_bootstrap_servers="127.0.0.1:1")) as pool:
                assert await pool.fetchval("SELECT count(*) FROM videos") == 0
            for wrong in (f"{url}?sslmode=verify-full&sslrootcert={other}", f"{url}?sslmode=disable"):
                assert not await _answers(wrong)


async def test_without_a_pooler_nothing_is_in_the_way(new_database: Callable[[], str]) -> None:
    async with projection_pool(Settings(database_url=new_database(), kafka_bootstrap_servers="127.0.0.1:1")) as pool:
        assert await pool.fetchval("SELECT count(*) FROM videos") == 0
        assert len(await sides.sides(pool)) == 1
