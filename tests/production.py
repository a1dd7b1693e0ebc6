"""A system as in production: Kafka over TLS with logins, users with the least leave, metrics behind a key, traces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families

from chronos import acls
from chronos.acls import Acl
from chronos.devstack.ports import free_port
from chronos.pipeline import FUNCTIONS
from tests.collector import Collector, collecting
from tests.pages import snippets
from tests.secured import CONFIG, certificate, let_in, token_endpoint
from tests.stack import Stack, new_stack

BY_NAME = {function.name: function for function in FUNCTIONS}
BY_TOKEN = "generate-embeddings"  # logs in with OAUTHBEARER, the others with SCRAM-SHA-512
KEY = "a key that may read"


@dataclass
class Production:
    """What runs, and as whom."""

    stack: Stack
    collector: Collector
    bootstrap: str  # for users, beside the administrator's `stack.bootstrap`
    database: str  # as a role that may do little
    authority: Path
    tokens: str
    ports: dict[str, int] = field(default_factory=dict)  # of metrics, by the process

    def environment(self, user: str) -> dict[str, str]:
        """What a process of this user needs instead of what the stack says."""
        scram = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": user, "KAFKA_SASL_PASSWORD": user}
        token = {
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": self.tokens,
            "KAFKA_SASL_OAUTHBEARER_CLIENT_ID": user,
            "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": user,
        }
        return (token if user == BY_TOKEN else scram) | {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CA_LOCATION": str(self.authority),
            "DATABASE_URL": self.database,
            "CHRONOS_READING_KEY": KEY,
            "CHRONOS_LOG": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint,
            "OTEL_SERVICE_NAME": user,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }

    def start(self, user: str, leave: Sequence[Acl], *argv: str) -> None:
        let_in(self.stack.bootstrap, user, leave, scram=user != BY_TOKEN)
        self.ports[user] = free_port()
        self.stack.start(user, *argv, "--metrics-port", str(self.ports[user]), more=self.environment(user))

    async def series(self, user: str) -> dict[str, float]:
        """The metrics of a process by name and labels."""
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{self.ports[user]}/metrics"
            answer = await client.get(url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20)
        assert answer.status_code == 200, answer.text
        samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
        return {f"{one.name}{{{_labels(one.labels)}}}": one.value for one in samples}


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


@contextmanager
def production(home: Path) -> Iterator[Production]:
    """Two functions and the projection at work, each as a user of its own."""
    home.joinpath("certificates").mkdir(parents=True)
    authority, keystore = certificate(home / "certificates")
    port = free_port()
    config = CONFIG.format(port=port, keystore=keystore)
    with new_stack(home, kafka=config) as stack, token_endpoint() as tokens, collecting() as collector:
        database = restricted(stack)
        made = Production(stack, collector, f"127.0.0.1:{port}", database, authority, tokens)
        for name in ("transcribe-video", BY_TOKEN):
            made.start(name, acls.of_function(BY_NAME[name]), "--function", name)
        made.start("projection", acls.of_projection(), "--projection")
        let_in(stack.bootstrap, "console", acls.of_console())
        yield made


def restricted(stack: Stack) -> str:
    """The stack's database, as the role that the page has an administrator make."""
    (sql,) = snippets("run-in-production", "sql")
    with ThreadPoolExecutor(1) as thread:  # a loop may run in this one
        thread.submit(asyncio.run, administered(stack.database, sql)).result()
    where = urlsplit(stack.database).netloc.rpartition("@")[2]
    return f"postgresql://chronos:chronos@{where}/chronos"


async def administered(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in filter(str.strip, sql.split(";")):
        await connection.execute(statement)
    await connection.close()
