"""The processes of a campaign: broker, database, provider, workers and projection, and what can be done to them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import asyncpg
import httpx

from chronos.config import Settings
from chronos.devstack.kafka import KafkaBroker
from chronos.devstack.ports import free_port
from chronos.devstack.postgres import PostgresServer
from chronos.devstack.process import Child, Command, describe_exit
from chronos.pipeline import FUNCTIONS
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics

R = TypeVar("R")

ALL = tuple(function.name for function in FUNCTIONS)
STOP_SECONDS = 60.0  # a worker drains for 20 s, lets paid calls land for as long, and then leaves its groups
LOOK = 0.3  # seconds between looks whether a process has ended by itself
EASE = 0.6  # seconds that the provider takes for a call: some are then in the air at each fault

State = Literal["up", "paused", "down"]


@dataclass
class Member:
    """A worker or the projection. Each of its lives has a name of its own, which is also its key at the provider."""

    name: str
    argv: tuple[str, ...]
    lives: int = 0
    state: State = "down"
    busy: bool = False  # a fault has it in hand
    child: Child | None = None

    @property
    def life(self) -> str:
        return f"{self.name}.{self.lives}"


@dataclass(frozen=True)
class Exit:
    """A process that ended though nobody asked it to. `ready`: it had been at work."""

    at: float
    life: str
    how: str
    ready: bool


@dataclass
class World:
    """Starts all of it; `close` ends all of it. Times are seconds since 1970."""

    home: Path
    lease: float = 4.0
    session_timeout: float = 6.0
    tell: Callable[[str], None] = print
    members: dict[str, Member] = field(default_factory=dict)
    exits: list[Exit] = field(default_factory=list)
    stubborn: list[str] = field(default_factory=list)  # lives that did not end when they were asked to

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self.broker, self.database = KafkaBroker(self.home), PostgresServer(self.home)
        # A server dies with the thread that started it (see process.Command): these two live as long as the world.
        self._thread = ThreadPoolExecutor(2, thread_name_prefix="servers")
        self._provider: Child | None = None
        self._port = free_port()
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", timeout=30)

    async def open(self, workers: int) -> None:
        (self.home / "store").mkdir(parents=True)
        await self.serving(self.broker.start)
        await self.serving(self.database.start)
        await asyncio.to_thread(lambda: Topics(Cluster(self.broker.bootstrap)).create(TOPICS.values()))
        await self._open_provider()
        for _ in range(workers):
            self.start(self.hire(ALL))
        self.start(self._join("projection", ("--projection",)))
        for member in list(self.members.values()):
            await self.until_ready(member)

    async def close(self) -> None:
        for member in self.members.values():
            if member.child:
                member.child.kill()
        if self._provider:
            self._provider.kill()
        await self._http.aclose()
        await self.serving(self.broker.kill)
        await self.serving(self.database.kill)
        self._thread.shutdown()

    async def serving(self, act: Callable[[], R]) -> R:
        """Does something to broker or database, which may take seconds."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    def settings(self) -> Settings:
        return Settings(
            home=self.home,
            kafka_bootstrap_servers=self.broker.bootstrap,
            database_url=self.database.url,
            openai_base_url=f"http://127.0.0.1:{self._port}/v1",
            speech_model="whisper-1",
            embedding_model="text-embedding-3-small",
        )

    # Members

    def hire(self, functions: tuple[str, ...]) -> Member:
        """A new worker of these functions, not started yet."""
        number = 1 + sum(name.startswith("w") for name in self.members)
        argv = tuple(word for function in functions for word in ("--function", function))
        return self._join(f"w{number}", argv)

    def workers(self, *states: State) -> list[Member]:
        """Workers in one of these states that no fault has in hand."""
        return [m for m in self.members.values() if m.name != "projection" and m.state in states and not m.busy]

    def start(self, member: Member) -> None:
        member.lives += 1
        command = Command(
            member.life,
            [sys.executable, "-m", "chronos", "worker", *member.argv, "--ready-file", str(self._ready_file(member))],
            self.home / "logs" / f"{member.name}.log",
            env=self._environment(member),
        )
        member.child, member.state = Child(command), "up"

    def kill(self, member: Member) -> None:
        """kill -9."""
        assert member.child
        member.state = "down"
        member.child.kill()

    async def stop(self, member: Member) -> None:
        """SIGTERM, as a deploy does. Who has not ended after a while is killed, and noted."""
        assert member.child
        member.state = "down"
        member.child.ask(signal.SIGTERM)
        if not await asyncio.to_thread(member.child.wait, STOP_SECONDS):
            self.stubborn.append(member.life)
            member.child.kill()

    def pause(self, member: Member) -> None:
        assert member.child
        member.state = "paused"
        member.child.ask(signal.SIGSTOP)

    def wake(self, member: Member) -> None:
        assert member.child
        member.child.ask(signal.SIGCONT)
        member.state = "up"

    async def until_ready(self, member: Member, patience: float = 60.0) -> None:
        deadline = time.monotonic() + patience
        while not self._ready_file(member).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{member.life} was not ready within {patience} s; see {self.home / 'logs'}")
            await asyncio.sleep(LOOK)

    async def supervise(self) -> None:
        """Starts again what has ended by itself, as any supervisor does, and notes it."""
        while True:
            await asyncio.sleep(LOOK)
            for member in self.members.values():
                code = member.child.exit_code if member.child and member.state == "up" else None
                if code is not None and member.state == "up":
                    self._ended(member, code)

    def _ended(self, member: Member, code: int) -> None:
        ready = self._ready_file(member).exists()
        self.exits.append(Exit(time.time(), member.life, describe_exit(code), ready))
        self.tell(f"{member.life} ended by itself with {describe_exit(code)}{'' if ready else ' before it was ready'}")
        self.start(member)

    def _join(self, name: str, argv: tuple[str, ...]) -> Member:
        return self.members.setdefault(name, Member(name, argv))

    def _ready_file(self, member: Member) -> Path:
        return self.home / f"{member.life}.ready"

    def _environment(self, member: Member) -> dict[str, str]:
        return {
            "CHRONOS_HOME": str(self.home),
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "DATABASE_URL": self.database.url,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self._port}/v1",
            "OPENAI_API_KEY": member.life,
            "CHRONOS_SPEECH_MODEL": "whisper-1",
            "CHRONOS_EMBEDDING_MODEL": "text-embedding-3-small",
            "CHRONOS_SESSION_TIMEOUT": f"{self.session_timeout:g}",
            "CHRONOS_LEASE": f"{self.lease:g}",
            "CHRONOS_AI_TIMEOUT": "15",
            "CHRONOS_LOG": "json",
        }

    # Provider and database

    async def order(self, do: str, **more: Any) -> None:
        """Tells the provider what to do; see tests.provider."""
        (await self._http.post("/control", json={"do": do, **more})).raise_for_status()

    async def calls(self) -> list[dict[str, Any]]:
        """All calls that the provider has seen."""
        found: list[dict[str, Any]] = (await self._http.get("/calls")).raise_for_status().json()
        return found

    async def cut_connections(self) -> int:
        """Ends every connection to the database but the one that does it; gives how many there were."""
        connection = await asyncpg.connect(self.database.url, timeout=5)
        try:
            sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() " \
                  "AND backend_type = 'client backend'"  # fmt: skip
            return int(await connection.fetchval(sql))
        finally:
            await connection.close()

    async def _open_provider(self) -> None:
        argv = [sys.executable, "-m", "tests.faults.campaign.provider", "--port", str(self._port)]
        self._provider = Child(Command("provider", argv, self.home / "logs" / "provider.log"))
        deadline = time.monotonic() + 60
        while True:
            try:
                return await self.order("slow", seconds=EASE)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(LOOK)
