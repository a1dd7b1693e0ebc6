"""Kafka and Postgres over TLS, with logins: each process has the leave that the documentation names, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from chronos import acls, app
from chronos.acls import Acl
from chronos.devstack.ports import free_port
from chronos.kafka_security import KafkaSecurity
from chronos.pipeline import FUNCTIONS
from streams.kafka import BrokerAway, Cluster, DeliveryFailed, Outbox, Topics
from tests.films import film, noise
from tests.pages import snippets
from tests.secured import CONFIG, certificate, let_in, token_endpoint
from tests.stack import Stack, new_stack, until

BY_NAME = {function.name: function for function in FUNCTIONS}
BY_TOKEN = "generate-embeddings"  # logs in with OAUTHBEARER, the others with SCRAM-SHA-512


@dataclass
class Secured:
    stack: Stack
    bootstrap: str
    database: str  # over TLS, as a role that may do little
    authority: Path
    tokens: str

    def environment(self, user: str) -> dict[str, str]:
        """What a process of this user needs instead of what the stack says."""
        login = {
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": self.tokens,
            "KAFKA_SASL_OAUTHBEARER_CLIENT_ID": user,
            "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": user,
        }
        if user != BY_TOKEN:
            login = {
                "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
                "KAFKA_SASL_USERNAME": user,
                "KAFKA_SASL_PASSWORD": user,
            }
        return login | {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CA_LOCATION": str(self.authority),
            "DATABASE_URL": self.database,
        }

    def cluster(self, user: str, monkeypatch: pytest.MonkeyPatch) -> Cluster:
        for name, value in self.environment(user).items():
            monkeypatch.setenv(name, value)
        return Cluster(self.bootstrap, KafkaSecurity().librdkafka())


TLS = """
ALTER SYSTEM SET ssl_cert_file = '{certificate}';
ALTER SYSTEM SET ssl_key_file = '{key}';
ALTER SYSTEM SET ssl = on;
SELECT pg_reload_conf();
"""


def restricted(stack: Stack, authority: Path, keystore: Path) -> str:
    """The stack's database over TLS, as the role that the page has an administrator make."""
    keystore.chmod(0o600)
    (role,) = snippets("run-in-production", "sql")
    sql = TLS.format(certificate=authority, key=keystore) + role
    with ThreadPoolExecutor(1) as thread:  # a loop may run in this one
        thread.submit(asyncio.run, administered(stack.database, sql)).result()
    where = urlsplit(stack.database).netloc.rpartition("@")[2]
    return f"postgresql://chronos:chronos@{where}/chronos?sslmode=verify-full&sslrootcert={authority}"


async def administered(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in filter(str.strip, sql.split(";")):
        await connection.execute(statement)
    await connection.close()


OURS = """
SELECT count(*) > 0 AND bool_and(tableowner = 'chronos') FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
PLAIN = """
SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'chronos' AND NOT ssl
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Two functions and the projection at work, each as a user of its own."""
    authority, keystore = certificate(tmp_path_factory.mktemp("certificates"))
    port = free_port()
    config = CONFIG.format(port=port, keystore=keystore)
    with new_stack(tmp_path_factory.mktemp("secured"), kafka=config) as stack, token_endpoint() as tokens:
        database = restricted(stack, authority, keystore)
        made = Secured(stack, f"127.0.0.1:{port}", database, authority, tokens)
        for name in ("transcribe-video", BY_TOKEN):
            let_in(stack.bootstrap, name, acls.of_function(BY_NAME[name]), scram=name != BY_TOKEN)
            argv = ("--function", name, "--metrics-port", str(free_port()))
            stack.start(name, *argv, more=made.environment(name))
        let_in(stack.bootstrap, "projection", acls.of_projection())
        stack.start("projection", "--projection", more=made.environment("projection"))
        let_in(stack.bootstrap, "console", acls.of_console())
        yield made


async def test_a_video_is_done_by_users_with_the_least_leave(secured: Secured, tmp_path: Path) -> None:
    administrator = await asyncpg.connect(secured.stack.database)
    sides = "SELECT to_regclass('chronos.active') IS NOT NULL AND to_regclass('journal.chosen') IS NOT NULL"
    await until("the workers have made their tables", lambda: administrator.fetchval(sides))
    async with secured.stack.hands() as hands:
        path = await hands.upload(film(tmp_path / "a.mp4", (0, noise(4))), "ada")
        status = await hands.ending(await hands.ask("guarded", "ada", path))
    assert status["status"] == "completed", secured.stack.home
    assert await administrator.fetchval(OURS)
    assert await administrator.fetchval(PLAIN) == 0
    await administrator.close()


async def test_what_a_user_may_not_say_the_broker_refuses(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(secured.cluster("transcribe-video", monkeypatch))
    with pytest.raises(DeliveryFailed, match=r"[Aa]uthorization"):
        await outbox.send("embeddings.completed", b"k", b"v", [])
    await outbox.close()


async def test_who_does_not_know_the_password_or_the_authority_gets_nowhere(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = secured.cluster("console", monkeypatch)
    assert await asyncio.to_thread(Topics(good).brokers) == 1
    other, _ = certificate(tmp_path)
    for wrong in ({"sasl.password": "guessed"}, {"ssl.ca.location": str(other)}):
        with pytest.raises(BrokerAway):
            await asyncio.to_thread(Topics(Cluster(good.bootstrap, {**good.security, **wrong})).brokers, 3.0)


async def test_an_operator_sees_groups_and_topics_with_the_consoles_leave(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    secured.cluster("console", monkeypatch)
    monkeypatch.setenv("DATABASE_URL", secured.stack.database)
    from chronos.broker import Broker
    from chronos.config import Settings

    broker = Broker(app.cluster(Settings()))
    assert all(topic.config for topic in (await asyncio.to_thread(broker.topics)).values())
    (group,) = await asyncio.to_thread(broker.groups, [("chronos.transcribe-video", ["transcribe.requested"])])
    assert group.members == 1


def test_leave_is_drawn_from_what_a_function_reads_and_says() -> None:
    found = {acl.name: acl.operations for acl in acls.of_function(BY_NAME["transcribe-video"])}
    assert found["transcribe.requested"] == ("Read", "Describe")
    assert found["transcription.completed"] == ("Write", "Describe")
    assert found["embeddings.completed"] == ("Describe",)
    assert Acl("group", "chronos.transcribe-video", ("Read",)) in acls.of_function(BY_NAME["transcribe-video"])
