"""Where steps are kept: who owns a run, how often it was tried, how it ended, and what was paid for."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from streams.batcher import Batcher
from streams.postgres import Connection, Pool, Row, load_queries, patiently
from streams.retry import Problem

SQL = load_queries("streams.sql", "journal.sql")


class RunKey(NamedTuple):
    """One function's processing of one input, under one fingerprint."""

    function: str
    fingerprint: str
    input_id: str


@dataclass(frozen=True)
class Asked:
    """A wish to process an input."""

    key: RunKey
    run_id: str
    creator_id: str | None
    video_id: str | None
    rewind: int = 0


@dataclass
class Lease:
    """Leave to process an input, for as long as it is renewed."""

    key: RunKey
    token: str
    attempt: int
    crashes: int
    sequence: int  # microseconds of the run's first start, by the database's clock
    good_until: float  # time.monotonic() of this process

    def is_good(self) -> bool:
        """Whether this process may still act for the run. A worker woken from a pause finds out here."""
        return time.monotonic() < self.good_until


@dataclass(frozen=True)
class Ended:
    """The run is over. Not told: its last event is not on the log yet."""

    ending: Literal["completed", "failed"]
    told: bool
    problem: Problem | None
    attempts: int
    sequence: int


@dataclass(frozen=True)
class Later:
    """Not yet: a retry is due in so many seconds, or another worker holds the lease for that long."""

    seconds: float


Grant = Lease | Ended | Later


@dataclass(frozen=True)
class Settlement:
    """How an attempt ended, to be written if its owner still holds the lease."""

    lease: Lease
    ending: Literal["completed", "failed"] | None = None
    problem: Problem | None = None
    told: bool = False
    refund: bool = False
    wait: float | None = None
    release: bool = True


@dataclass(frozen=True)
class Purchase:
    """One paid call: what it gave by key, and what it cost in all."""

    token: str
    usage: str
    model: str
    entries: tuple[tuple[str, bytes, float, int], ...]  # key, result, quantity, cost in millionths of a dollar

    def quantity(self) -> float:
        return sum(quantity for _, _, quantity, _ in self.entries)

    def cost(self) -> int:
        return sum(cost for _, _, _, cost in self.entries)


@dataclass(frozen=True)
class Spend:
    """A paid call as the journal keeps it."""

    token: str
    usage: str
    model: str
    quantity: float
    cost_micro_usd: int
    keys: tuple[str, ...]
    told: bool


@dataclass(frozen=True)
class UntoldSpend:
    """A spend whose run is over and whose usage is not on the log."""

    spend: Spend
    key: RunKey
    run_id: str
    creator_id: str | None
    video_id: str
    sequence: int


class Result(NamedTuple):
    """A paid result with what it cost."""

    result: bytes
    quantity: float
    cost_micro_usd: int


async def prepare(pool: Pool) -> None:
    """Makes the journal's tables where they are missing."""
    schema = files("streams.sql").joinpath("journal_schema.sql").read_text()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('chronos.journal'))")
        await connection.execute(schema)


class Journal:
    """Group-committed access to the journal's tables. Waits while the database is away; never gives up by itself."""

    def __init__(self, pool: Pool, *, lease: float = 60.0) -> None:
        self._pool, self._lease = pool, lease
        self._held: dict[str, Lease] = {}
        self._told: set[str] = set()
        self._begin: Batcher[Asked, Grant] = Batcher(
            lambda q: patiently(lambda: self._begin_all(q)), key=lambda q: q.key
        )
        self._settle: Batcher[Settlement, bool] = Batcher(
            lambda q: patiently(lambda: self._settle_all(q)), key=lambda q: q.lease.key
        )
        self._recall: Batcher[tuple[str, ...], dict[str, Result]] = Batcher(
            lambda q: patiently(lambda: self._recall_all(q))
        )
        self._keep: Batcher[tuple[Asked, Purchase], dict[str, Result]] = Batcher(
            lambda q: patiently(lambda: self._keep_all(q)), most=50
        )

    async def begin(self, asked: Asked) -> Grant:
        """Asks for leave to process an input; counts an attempt when it is given."""
        return await self._begin(asked)

    async def settle(self, settlement: Settlement) -> bool:
        """False: the lease is another's by now, and nothing was written."""
        written = await self._settle(settlement)
        if settlement.release:
            self._held.pop(settlement.lease.token, None)
        return written

    async def recall(self, keys: Sequence[str]) -> dict[str, Result]:
        """What has been paid for already, by key."""
        return await self._recall(tuple(keys)) if keys else {}

    async def keep(self, asked: Asked, purchase: Purchase) -> dict[str, Result]:
        """Keeps what was bought, with its spend. Gives what is kept now: an earlier purchase of the same stands."""
        return await self._keep((asked, purchase))

    async def spends(self, key: RunKey) -> list[Spend]:
        """All that one function bought for one input."""
        rows = await patiently(lambda: self._pool.fetch(SQL["spends_of"], key.input_id, key.function))
        return [_spend(row) for row in rows]

    async def untold(self) -> list[UntoldSpend]:
        """Spends of runs that are over, still to be told; 500 at most."""
        rows = await patiently(lambda: self._pool.fetch(SQL["spends_of_the_past"]))
        return [
            UntoldSpend(
                _spend(tuple(row)[:7]),
                _key(row),
                str(row["run_id"]),
                row["creator_id"],
                row["video_id"] or "",
                row["first_started_at"],
            )
            for row in rows
            if str(row["token"]) not in self._told
        ]

    def note_told(self, tokens: Iterable[str]) -> None:
        """These spends' usage is on the log. Written with the next renewal: to tell one twice does no harm."""
        self._told.update(tokens)

    async def chosen(self, name: str) -> bytes | None:
        """What was chosen under a name, if anything was."""
        return await patiently(lambda: self._pool.fetchval(SQL["chosen"], name))

    async def choose(self, name: str, choice: bytes) -> bytes:
        """Keeps a choice under a name, once: who chooses later gets the first one."""
        return bytes(await patiently(lambda: self._pool.fetchval(SQL["choose"], name, choice)))

    async def identity(self) -> str:
        """The journal's id. A worker whose journal is replaced under it must stop."""
        return str(await patiently(lambda: self._pool.fetchval(SQL["identity"])))

    async def is_empty(self) -> bool:
        return bool(await patiently(lambda: self._pool.fetchval(SQL["is_empty"])))

    async def renew(self) -> None:
        """Prolongs every lease that this process holds. Call it at a third of the lease's time."""
        if self._told:
            told, self._told = self._told, set()
            await self._pool.execute(SQL["told"], list(told))
        if not self._held:
            return
        asked_at = time.monotonic()
        rows = await self._pool.fetch(SQL["renew"], list(self._held), self._lease)
        for row in rows:
            if lease := self._held.get(str(row["lease_token"])):
                lease.good_until = asked_at + self._lease

    async def _begin_all(self, asked: Sequence[Asked]) -> list[Grant]:
        tokens = {a.key: str(uuid.uuid4()) for a in asked}
        asked_at = time.monotonic()
        columns = zip(
            *((*a.key, a.run_id, a.creator_id, a.video_id, a.rewind, tokens[a.key]) for a in asked), strict=True
        )
        grants: dict[RunKey, Grant] = {}
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL["begin"], *map(list, columns), self._lease)
            for row in rows:
                lease = self._leased(row, tokens, asked_at)
                grants[lease.key] = lease
            refused = [a.key for a in asked if a.key not in grants]
            if refused:
                for row in await connection.fetch(SQL["look"], *map(list, zip(*refused, strict=True))):
                    grants[_key(row)] = _not_granted(row)
        return [grants.get(a.key, Later(0.1)) for a in asked]

    def _leased(self, row: Row, tokens: dict[RunKey, str], asked_at: float) -> Lease:
        key = _key(row)
        lease = Lease(
            key, tokens[key], row["attempts"], row["crashes"], row["first_started_at"], asked_at + self._lease
        )
        self._held[lease.token] = lease
        return lease

    async def _settle_all(self, settlements: Sequence[Settlement]) -> list[bool]:
        columns = zip(
            *(
                (*s.lease.key, s.lease.token, s.ending, _to_json(s.problem), s.told, int(s.refund), s.wait, s.release)
                for s in settlements
            ),
            strict=True,
        )
        rows = await self._pool.fetch(SQL["settle"], *map(list, columns))
        written = {_key(row) for row in rows}
        return [s.lease.key in written for s in settlements]

    async def _recall_all(self, wanted: Sequence[tuple[str, ...]]) -> list[dict[str, Result]]:
        found = await self._results(self._pool, {key for keys in wanted for key in keys})
        return [{key: found[key] for key in keys if key in found} for keys in wanted]

    async def _keep_all(self, bought: Sequence[tuple[Asked, Purchase]]) -> list[dict[str, Result]]:
        entries = {entry[0]: (*entry, purchase.token) for _, purchase in bought for entry in purchase.entries}
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["keep"], *map(list, zip(*entries.values(), strict=True)))
            await connection.executemany(SQL["spend"], [_spend_row(a, p) for a, p in bought])
            found = await self._results(connection, entries)
        return [{entry[0]: found[entry[0]] for entry in purchase.entries} for _, purchase in bought]

    @staticmethod
    async def _results(connection: Connection | Pool, keys: Iterable[str]) -> dict[str, Result]:
        rows = await connection.fetch(SQL["recall"], list(keys))
        return {r["key"]: Result(bytes(r["result"]), r["quantity"], r["cost_micro_usd"]) for r in rows}


def _key(row: Row) -> RunKey:
    return RunKey(row["function"], row["fingerprint"], str(row["input_id"]))


def _not_granted(row: Row) -> Ended | Later:
    if row["ending"] is None:
        return Later(max(0.05, row["wait"]))
    problem = Problem(**json.loads(row["error"])) if row["error"] else None
    return Ended(row["ending"], row["told"], problem, row["attempts"], row["first_started_at"])


def _to_json(problem: Problem | None) -> str | None:
    if problem is None:
        return None
    return json.dumps({"type": problem.type, "message": problem.message, "retryable": problem.retryable})


def _spend(row: Iterable[Any]) -> Spend:
    token, usage, model, quantity, cost, keys, told = row
    return Spend(str(token), usage, model, quantity, cost, tuple(keys), told)


def _spend_row(asked: Asked, purchase: Purchase) -> tuple[object, ...]:
    keys = [key for key, *_ in purchase.entries]
    return (
        purchase.token, asked.key.function, asked.key.input_id, asked.run_id, asked.creator_id, asked.video_id,
        purchase.usage, purchase.model, purchase.quantity(), purchase.cost(), keys,
    )  # fmt: skip
