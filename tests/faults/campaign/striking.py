"""How each kind of fault is done to the world, and what is noted of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.campaign.plan import Kind, Strike
from tests.faults.campaign.world import ALL, EASE, Member, World

CREWS: tuple[tuple[str, ...], ...] = (ALL, ("transcribe-video",), ("generate-embeddings",))
PATIENCE = 60.0  # seconds that a fault waits for something that it can hit
SLOW = 4.0  # seconds a call


@dataclass
class Fault:
    """A fault that was done: to what, and from when to when (seconds since 1970)."""

    number: int
    kind: Kind
    target: str
    began: float
    ended: float | None = None
    detail: str = ""


@dataclass
class Striker:
    """Does what the plan says, each fault in a task of its own, so that a long one does not hold up the next."""

    world: World
    tell: Callable[[Fault], None]
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free = {"broker": asyncio.Lock(), "postgres": asyncio.Lock(), "slow": asyncio.Lock()}

    async def run(self, strikes: list[Strike], began: float) -> None:
        """Strikes at the planned times, `began` being a time of the loop's clock; ends when all is up again."""
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                await asyncio.sleep(max(0.0, began + strike.at - asyncio.get_running_loop().time()))
                group.create_task(self._strike(strike))

    async def _strike(self, strike: Strike) -> None:
        what, _, whom = strike.kind.partition("-")
        match what, whom:
            case (("kill" | "restart" | "pause" | "remove"), "worker"):
                await self._to_worker(strike, {
                    "kill": self._kill, "restart": self._restart, "pause": self._pause, "remove": self._remove,
                }[what])  # fmt: skip
            case "add", _:
                await self._add(strike)
            case _, "projection":
                projection = self.world.members["projection"]
                async with self._hands_on(projection):
                    await self._kill(strike, projection)
            case _, "broker":
                broker = self.world.broker
                await self._server(strike, broker.kill if what == "kill" else broker.stop, broker.start)
            case _, "postgres":
                database = self.world.database
                await self._server(strike, database.kill if what == "kill" else database.stop, database.start)
            case "cut", _:
                await self._cut(strike)
            case _:
                await self._provider(strike, whom)

    def _note(self, strike: Strike, target: str, detail: str = "") -> Fault:
        fault = Fault(strike.number, strike.kind, target, time.time(), None, detail)
        self.faults.append(fault)
        self.tell(fault)
        return fault

    # Workers and the projection

    async def _to_worker(self, strike: Strike, act: Callable[[Strike, Member], Awaitable[None]]) -> None:
        """To one of those that run and that no other fault has in hand; waits for one."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.world.workers("up")):
            if time.monotonic() > deadline:
                self._note(strike, "nobody", "no worker could be hit").ended = time.time()
                return
            await asyncio.sleep(0.1)
        member = found[int(strike.pick * len(found))]
        async with self._hands_on(member):
            await act(strike, member)

    @asynccontextmanager
    async def _hands_on(self, member: Member) -> AsyncIterator[None]:
        while member.busy:  # noqa: ASYNC110  # at most two faults ask for the same one
            await asyncio.sleep(0.1)
        member.busy = True
        try:
            yield
        finally:
            member.busy = False

    async def _kill(self, strike: Strike, member: Member) -> None:
        fault = self._note(strike, member.life, f"down for {strike.seconds} s")
        self.world.kill(member)
        await asyncio.sleep(strike.seconds)
        self.world.start(member)
        fault.ended = time.time()

    async def _restart(self, strike: Strike, member: Member) -> None:
        fault = self._note(strike, member.life, "SIGTERM, and started again when it has ended")
        await self.world.stop(member)
        self.world.start(member)
        fault.ended = time.time()

    async def _pause(self, strike: Strike, member: Member) -> None:
        fault = self._note(strike, member.life, f"SIGSTOP for {strike.seconds} s")
        self.world.pause(member)
        await asyncio.sleep(strike.seconds)
        self.world.wake(member)
        fault.ended = time.time()

    async def _remove(self, strike: Strike, member: Member) -> None:
        fault = self._note(strike, member.life, "SIGTERM, for good")
        await self.world.stop(member)
        fault.ended = time.time()

    async def _add(self, strike: Strike) -> None:
        crew = CREWS[strike.number % len(CREWS)]
        member = self.world.hire(crew)
        self.world.start(member)
        self._note(strike, member.life, "of all functions" if crew == ALL else f"of {crew[0]}").ended = time.time()

    # Servers and the provider

    async def _server(self, strike: Strike, down: Callable[[], None], up: Callable[[], None]) -> None:
        name = strike.kind.partition("-")[2]
        async with self._free[name]:
            fault = self._note(strike, name, f"down for {strike.seconds} s")
            await self.world.serving(down)
            await asyncio.sleep(strike.seconds)
            await self.world.serving(up)
            fault.ended = time.time()

    async def _cut(self, strike: Strike) -> None:
        async with self._free["postgres"]:
            count = await self.world.cut_connections()
            self._note(strike, "postgres", f"{count} connections cut").ended = time.time()

    async def _provider(self, strike: Strike, how: str) -> None:
        calls = strike.calls
        if how == "slow":
            async with self._free["slow"]:
                fault = self._note(strike, "provider", f"{SLOW:g} s a call for {strike.seconds} s")
                await self.world.order("slow", seconds=SLOW)
                await asyncio.sleep(strike.seconds)
                await self.world.order("slow", seconds=EASE)
                fault.ended = time.time()
        elif how == "429":
            after = round(strike.seconds)
            await self.world.order("fail", next=4 * calls, status=429, retry_after=after)
            self._note(strike, "provider", f"Retry-After {after} for {4 * calls} calls").ended = time.time()
        else:
            await self.world.order(**({"do": "fail", "status": 500} if how == "500" else {"do": how}), next=calls)
            self._note(strike, "provider", f"{calls} calls").ended = time.time()
