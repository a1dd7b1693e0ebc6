"""A whole Chronos for tests: a broker and a database of its own, the paid provider's double, workers as processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chronos import app, queries
from chronos.config import Settings
from chronos.devstack.kafka import KafkaBroker
from chronos.devstack.postgres import PostgresServer
from chronos.devstack.steps import drive
from chronos.pipeline import FUNCTIONS
from chronos.sending import Sender, Sent, sender
from schemas.topics import TOPICS
from schemas.transcription import TranscribeRequested
from streams.kafka import Cluster, Topics
from streams.postgres import Pool
from streams.reading import LogScan
from streams.record import Record
from tests.provider import Provider


async def until(what: str, condition: Callable[[], Awaitable[Any]], patience: float = 60.0) -> Any:
    """Waits for a condition; gives what it gave."""
    deadline = time.monotonic() + patience
    while not (found := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience} s: {what}")
        await asyncio.sleep(0.05)
    return found


@dataclass
class Stack:
    """What runs, and how to reach it."""

    home: Path
    kafka: KafkaBroker
    postgres: PostgresServer
    provider: Provider
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    @property
    def database(self) -> str:
        return self.postgres.url

    def settings(self) -> Settings:
        return Settings(
            home=self.home,
            kafka_bootstrap_servers=self.bootstrap,
            database_url=self.database,
            openai_base_url=self.provider.base_url,
            speech_model="whisper-1",
            embedding_model="text-embedding-3-small",
            embedding_prices={"noise": 10_000},
            session_timeout=6.0,
            lease=4.0,
        )

    def environment(self) -> dict[str, str]:
        """What a process needs to find all of it."""
        return os.environ | {
            "CHRONOS_HOME": str(self.home),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "DATABASE_URL": self.database,
            "OPENAI_BASE_URL": self.provider.base_url,
            "CHRONOS_SPEECH_MODEL": "whisper-1",
            "CHRONOS_EMBEDDING_MODEL": "text-embedding-3-small",
            "CHRONOS_EMBEDDING_PRICES": '{"noise": 10000}',
            "CHRONOS_SESSION_TIMEOUT": "6",
            "CHRONOS_LEASE": "4",
        }

    def start(
        self, name: str, *argv: str, within: Sequence[str] = (), more: Mapping[str, str] | None = None
    ) -> None:  # fmt: skip
        """Starts `chronos worker ARGV` as a process of its own; `within` goes before the command, `more` into its
        environment."""
        command = [*within, sys.executable, "-m", "chronos", "worker", *argv]
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment() | dict(more or {}), stdout=log, stderr=subprocess.STDOUT
            )

    def start_functions(
        self, name: str = "functions", *, within: Sequence[str] = (), more: Mapping[str, str] | None = None
    ) -> None:  # fmt: skip
        words = [word for function in FUNCTIONS for word in ("--function", function.name)]
        self.start(name, *words, within=within, more=more)

    def start_projection(self, name: str = "projection") -> None:
        self.start(name, "--projection")

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def terminate(self, name: str) -> int:
        """SIGTERM, as a deploy does; gives the exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(40)

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a test may have stopped it, and failed
        for process in self.processes.values():
            process.wait(40)
        self.processes.clear()

    @asynccontextmanager
    async def hands(self) -> AsyncIterator[Hands]:
        settings = self.settings()
        ids = await app.topic_ids(settings)
        async with app.projection_pool(settings) as pool, sender(app.cluster(settings), ids, "test") as send:
            yield Hands(settings, pool, send)


@dataclass
class Hands:
    """A producer's and a reader's hands."""

    settings: Settings
    pool: Pool
    send: Sender

    async def upload(self, file: Path, creator: str) -> str:
        return await app.store(self.settings).put(file, creator)

    async def ask(self, video: str, creator: str, path: str, **more: Any) -> Sent:
        return await self.send.send(TranscribeRequested(video_id=video, creator_id=creator, storage_path=path, **more))

    async def dead_letters(self, count: int) -> list[Record]:
        return await self._records("dead-letter", count)

    async def notifications(self, count: int) -> list[Record]:
        return await self._records("notification.sent", count)

    async def requests(self, count: int) -> list[Record]:
        return await self._records("transcribe.requested", count)

    async def retries(self, count: int) -> list[Record]:
        return await self._records("function.retried", count)

    async def embedded(self, count: int) -> list[Record]:
        return await self._records("chunks.embedded", count)

    async def _records(self, topic: str, count: int) -> list[Record]:
        """All records of a topic, once there are so many."""
        scan = LogScan(app.cluster(self.settings))

        def read() -> list[Record]:
            ends = scan.ends({topic: TOPICS[topic].partitions})
            until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
            return [record for batch in scan.read(until, begins) for record in batch]

        async def enough() -> list[Record] | None:
            found = await asyncio.to_thread(read)
            return found if len(found) >= count else None

        records: list[Record] = await until(f"{count} records on {topic}", enough)
        return records

    async def ending(self, sent: Sent, patience: float = 60.0) -> dict[str, Any]:
        """The status of the video once the run has ended."""
        video, creator = sent.event.subject(), sent.event.owner()

        async def ended() -> dict[str, Any] | None:
            found = await queries.videos(self.pool, video_id=video, creator_id=creator)
            over = found and found[0]["runId"] == sent.run_id and found[0]["status"] in queries.ENDINGS
            return found[0] if over else None

        status: dict[str, Any] = await until(f"an ending of {video}", ended, patience)
        return status


@contextmanager
def new_stack(home: Path, *, kafka: str = "") -> Iterator[Stack]:
    """A broker, a database and a provider, with nothing in them; no workers yet. `kafka`: more of its configuration."""
    broker, database = KafkaBroker(home, more=kafka, makes_classes=True), PostgresServer(home)
    provider = Provider()
    try:
        drive(broker.starting(), database.starting())  # at once
        with provider:
            Topics(Cluster(broker.bootstrap)).create(TOPICS.values())
            stack = Stack(home, broker, database, provider)
            try:
                yield stack
            finally:
                stack.stop()
    finally:
        broker.stop()
        database.stop()
