"""The broker and the database of the tests: real ones, embedded unless the environment names others.

KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name running ones; CHRONOS_TEST_STACK=docker starts containers. They start when
the first test asks for them, so that tests of pure code wait for nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import pytest
import structlog

from streams import redaction

T = TypeVar("T")


hypothesis.settings.register_profile("ours", deadline=None)  # how long an example takes is the machine's affair
hypothesis.settings.load_profile("ours")


@pytest.fixture(autouse=True)
def _secrets_of_its_own() -> Iterator[None]:
    """A password that one test made up may be a word in what another looks at."""
    before = set(redaction._known)
    yield
    redaction._known.intersection_update(before)


@pytest.fixture(autouse=True)
def _logs_of_its_own() -> Iterator[None]:
    """A command that a test ran in this process has set the logs up for a stderr that is closed by now."""
    yield
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says it where nobody can miss it."""
    from tests.browser import executable

    if any("azurite" in skipped.nodeid for skipped in terminalreporter.stats.get("skipped", [])):
        terminalreporter.section("THE TESTS ON MICROSOFT'S AZURITE DID NOT RUN", yellow=True, bold=True)
        terminalreporter.line(
            "az:// met a server of ours alone: npm install azurite, and name its azurite-blob in CHRONOS_AZURITE."
        )

    if executable() is None:
        terminalreporter.section("THE BROWSER TESTS DID NOT RUN", red=True, bold=True)
        terminalreporter.line(
            "There is no Chromium here: install one (Debian: chromium), or name one in CHRONOS_BROWSER."
        )
    if shutil.which("pgbouncer") is None:
        terminalreporter.section("THE TESTS BEHIND A POOLER DID NOT RUN", red=True, bold=True)
        terminalreporter.line("There is no PgBouncer here: install it (Debian: pgbouncer).")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers. One broker serves all tests of a run: give topics and groups names of your own."""
    if named := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield named
    elif os.environ.get("CHRONOS_TEST_STACK") == "docker":
        with _kafka_container() as bootstrap:
            yield bootstrap
    else:
        with _embedded_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
            yield bootstrap


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of some database of the server, for those who make databases of their own."""
    if named := os.environ.get("DATABASE_URL"):
        yield named
    elif os.environ.get("CHRONOS_TEST_STACK") == "docker":
        with _postgres_container() as url:
            yield url
    else:
        with _embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
            yield url


@pytest.fixture(scope="session")
def new_database(database_server: str) -> Iterator[Callable[[], str]]:
    """Makes an empty database and gives its URL. All are dropped at the end of the run."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test_{uuid.uuid4().hex[:12]}")
        _await(_execute(database_server, f'CREATE DATABASE "{made[-1]}"'))
        return urlunsplit(urlsplit(database_server)._replace(path=f"/{made[-1]}"))

    yield make
    for name in made:
        _await(_execute(database_server, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    """An empty database for the tests of one module."""
    return new_database()


@contextmanager
def _embedded_kafka(home: Path) -> Iterator[str]:
    from chronos.devstack.kafka import KafkaBroker

    broker = KafkaBroker(home)
    broker.start()
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


@contextmanager
def _embedded_postgres(home: Path) -> Iterator[str]:
    from chronos.devstack.postgres import PostgresServer

    server = PostgresServer(home)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer().with_kraft().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    with container.with_env("KAFKA_MESSAGE_MAX_BYTES", "16777216") as running:
        yield running.get_bootstrap_server()


@contextmanager
def _postgres_container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer("pgvector/pgvector:pg18", driver=None) as running:
        yield running.get_connection_url()


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _await(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in a thread, since the caller may be inside a running event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
