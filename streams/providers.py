"""Pace and breaker of each paid provider and model, shared by all workers through the journal.

A provider that asks for patience is left alone by everybody. Five failures in a row, or a refused key, open its
breaker: then one call at a time tries it, and everything else waits without an attempt being charged.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any

import structlog

from streams import metrics
from streams.postgres import Pool, Row, load_queries, patiently
from streams.retry import Blocked, Fault, Paced, Unavailable
from streams.stage import PaidCall

SQL = load_queries("streams.sql", "providers.sql")
log = structlog.get_logger()

SCOUT = 60.0  # seconds that one run has to find out whether a provider works again


@dataclass
class Gate:
    """What this process knows of a provider: whether work that needs it should begin. Times are time.monotonic()."""

    until: float = 0.0
    open: bool = False
    scout_until: float = 0.0
    failing: bool = False  # calls failed of late, and none has worked since

    def pause(self, seconds: float, *, open: bool) -> None:
        self.until = max(self.until, time.monotonic() + seconds)
        self.open, self.scout_until = open, 0.0

    def clear(self) -> None:
        self.until, self.open, self.scout_until, self.failing = 0.0, False, 0.0, False

    def wait(self) -> float:
        """Seconds for which nothing should begin. Behind a breaker one run a time may: it goes and sees."""
        now = time.monotonic()
        if now < self.until:
            return self.until - now
        if not self.open:
            return 0.0
        if now < self.scout_until:
            return 1.0
        self.scout_until = now + SCOUT
        return 0.0


@dataclass(frozen=True)
class Trouble:
    """A provider that nobody may call for now, for people to see."""

    provider: str
    model: str
    open: bool
    failures: int
    reason: str
    since: Any
    seconds: float


@dataclass
class Providers:
    """Reports what calls came to, and knows which providers are to be left alone."""

    pool: Pool
    gates: dict[tuple[str, str], Gate] = field(default_factory=dict)

    def gate(self, call: PaidCall[Any]) -> Gate:
        """The gate of a call's provider and model."""
        who = (call.provider, call.model)
        if (gate := self.gates.get(who)) is None:
            gate = self.gates[who] = Gate()
            metrics.PROVIDER_PAUSE.labels(*who).set_function(lambda: max(0.0, gate.until - time.monotonic()))
            metrics.BREAKER_OPEN.labels(*who).set_function(lambda: gate.open)
        return gate

    def paused(self, call: PaidCall[Any], seconds: float, reason: str) -> Paced:
        """Notes what the journal said, as the condition of who wanted to call."""
        self.gate(call).pause(seconds, open=self.gate(call).open)
        return Paced(reason, seconds)

    async def failed(self, call: PaidCall[Any], token: str, error: Fault) -> Fault:
        """Reports a call that failed; gives the condition that its run is to see."""
        who, why = (call.provider, call.model), str(error)
        match error:
            case Blocked():
                await self._run("blocked", *who, token, why, error.retry_after)
                self._pause(call, error.retry_after, why, open=True)
            case Paced():
                await self._run("paced", *who, why, error.retry_after)
                self._pause(call, error.retry_after, why, open=False)
            case Unavailable():
                (found,) = await self._run("failed", *who, token, why)
                if found["open"]:
                    self._pause(call, found["seconds"], why, open=True)
                    return Paced(why, found["seconds"] + random.random())  # noqa: S311  # spreads them
                self.gate(call).failing = True
            case _:
                pass
        return error

    async def worked(self, call: PaidCall[Any], *, troubled: bool, rest: float) -> None:
        """Reports a call that worked, where that is news. `rest`: seconds for which the provider wants no more."""
        gate = self.gate(call)
        if troubled or gate.open or gate.failing:
            await self._run("worked", call.provider, call.model)
            log.info("provider works again", provider=call.provider, model=call.model)
            gate.clear()
        if rest > 0:
            await self._run("paced", call.provider, call.model, "its limit is used up for now", rest)
            gate.pause(rest, open=False)

    async def troubles(self) -> list[Trouble]:
        """The providers that nobody may call now, with the reason."""
        return [Trouble(**dict(row)) for row in await self._run("troubles")]

    def _pause(self, call: PaidCall[Any], seconds: float, reason: str, *, open: bool) -> None:
        self.gate(call).pause(seconds, open=open)
        log.warning("provider paused", provider=call.provider, model=call.model, seconds=round(seconds, 1),
                    breaker="open" if open else "closed", reason=reason)  # fmt: skip

    async def _run(self, query: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await patiently(lambda: self.pool.fetch(SQL[query], *arguments))
        return rows
