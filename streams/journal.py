"""Who owns a run, how often it was tried, how it ended, and what was chosen in it. What was paid for: purchases.py."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from streams.batcher import Batcher
from streams.metrics import journal_seconds as seconds
from streams.postgres import Pool, Row, load_queries, patiently
from streams.retry import Problem
from streams.trail import Page, Trail

SQL = load_queries("streams.sql", "journal.sql")

Ending = Literal["completed", "failed", "cancelled"]

TRAIL_DAYS = 14  # that the trail of an attempt is kept: some 0.5 kB each, with a minute of sound
PRUNED = 10_000  # at a time: of a worker that looks once a minute more than twice what ours can make


class Rewind(NamedTuple):
    """The last rewind of a record's partition: what failed under an older number is tried anew."""

    number: int = 0
    reemit: bool = False  # what completed under an older number is run again as well, and says the same


NO_REWIND = Rewind()


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
    rewind: Rewind = NO_REWIND
    most: int = 10  # runs of its creator and function at once, in the whole cluster
    alone: bool = False  # nothing else runs in this process, nor will while it lasts


@dataclass
class Lease:
    """Leave to process an input, for as long as it is renewed."""

    key: RunKey
    token: str
    attempt: int
    crashes: int
    sequence: int  # microseconds of the run's first start, by the database's clock
    good_until: float  # time.monotonic() of this process
    crashes_alone: int = 0
    waited: float = 0.0  # seconds since it first waited for the world, with no attempt charged
    reemit: bool = False  # it completed before: all that it said is to be said again
    cancelled: bool = False  # found out at a renewal
    trail: Trail = field(default_factory=Trail, repr=False, compare=False)  # of what was done under it

    def is_good(self) -> bool:
        """Whether this process may still act for the run. A worker woken from a pause finds out here."""
        return time.monotonic() < self.good_until


@dataclass(frozen=True)
class Ended:
    """The run is over. Not told: its last event is not on the log yet."""

    ending: Ending
    told: bool
    problem: Problem | None
    attempts: int
    sequence: int


@dataclass(frozen=True)
class Later:
    """Not yet: a retry is due in so many seconds, or another worker holds the lease for that long."""

    seconds: float


@dataclass(frozen=True)
class Crowded:
    """Its creator's places are taken, in other processes: lanes hold the limit within this one."""

    seconds: float = 0.1


@dataclass(frozen=True)
class HeldBack:
    """Its creator's budget is used up."""


@dataclass(frozen=True)
class Suspect:
    """Workers died over it: ask again with nothing else in the process."""


Grant = Lease | Ended | Later | Crowded | HeldBack | Suspect


@dataclass(frozen=True)
class Settlement:
    """How an attempt ended, to be written if its owner still holds the lease."""

    lease: Lease
    ending: Ending | None = None
    problem: Problem | None = None
    told: bool = False
    refund: bool = False
    wait: float | None = None
    release: bool = True


async def prepare(pool: Pool) -> None:
    """Makes the journal's tables where they are missing, and its functions anew."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('chronos.journal'))")
        for file in ("journal_schema.sql", "journal_functions.sql"):
            await connection.execute(files("streams.sql").joinpath(file).read_text())


class Journal:
    """Group-committed access to the journal's tables. Waits while the database is away; never gives up by itself."""

    def __init__(self, pool: Pool, *, lease: float = 60.0) -> None:
        self._pool, self._lease = pool, lease
        self._held: dict[str, Lease] = {}
        self._begin: Batcher[tuple[Asked, str], Grant] = Batcher(
            lambda q: patiently(lambda: self._begin_all(q)), key=lambda q: q[0].key, observe=seconds("begin")
        )
        self._settle: Batcher[Settlement, bool] = Batcher(
            lambda q: patiently(lambda: self._settle_all(q)), key=lambda q: q.lease.key, observe=seconds("settle")
        )
        self._chosen: Batcher[str, bytes | None] = Batcher(lambda q: patiently(lambda: self._chosen_all(q)))
        self._choose: Batcher[tuple[str, bytes], bytes] = Batcher(
            lambda q: patiently(lambda: self._choose_all(q)), key=lambda q: q[0], observe=seconds("choose")
        )

    async def begin(self, asked: Asked) -> Grant:
        """Asks for leave to process an input; counts an attempt when it is given."""
        return await self._begin((asked, str(uuid.uuid4())))

    async def settle(self, settlement: Settlement) -> bool:
        """False: the lease is another's by now, and nothing was written."""
        try:
            return await self._settle(settlement)
        finally:
            if settlement.release:  # also where it was not written: a lease that is renewed would never end
                self._held.pop(settlement.lease.token, None)

    async def over(self, function: str, fingerprint: str, inputs: Sequence[tuple[str, Rewind]]) -> set[str]:
        """Which of many inputs need no more work."""
        ids, rewinds = [input_id for input_id, _ in inputs], [rewind for _, rewind in inputs]
        asked = (function, fingerprint, ids, [r.number for r in rewinds], [r.reemit for r in rewinds])
        rows = await patiently(lambda: self._pool.fetch(SQL["over"], *asked))
        return {str(row["input_id"]) for row in rows}

    async def cancel(self, run_id: str) -> None:
        """Calls a run off: it begins nothing more, and pays for nothing more."""
        await patiently(lambda: self._pool.execute(SQL["cancel"], run_id))

    async def chosen(self, name: str) -> bytes | None:
        """What was chosen under a name, if anything was."""
        return await self._chosen(name)

    async def choose(self, name: str, choice: bytes) -> bytes:
        """Keeps a choice under a name, once: who chooses later gets the first one."""
        return await self._choose((name, choice))

    async def identity(self) -> str:
        """The journal's id. A worker whose journal is replaced under it must stop."""
        return str(await patiently(lambda: self._pool.fetchval(SQL["identity"])))

    async def is_empty(self) -> bool:
        return bool(await patiently(lambda: self._pool.fetchval(SQL["is_empty"])))

    async def renew(self) -> None:
        """Prolongs every lease that this process holds, and keeps its trail so far. Call it at a third of the lease's
        time."""
        if not (held := list(self._held.values())):
            return
        asked_at, pages = time.monotonic(), _pages(held)
        asked = zip(*((lease.token, *_shown(lease, page)) for lease, page in pages), strict=True)
        rows = await self._pool.fetch(SQL["renew"], self._lease, *map(list, asked))
        _note_kept(pages)
        for row in rows:
            if lease := self._held.get(str(row["lease_token"])):
                lease.good_until = asked_at + self._lease
                lease.cancelled = row["cancelled"]

    async def prune(self) -> None:
        """Takes old trails away, some at a time. Call it once in a while."""
        await self._pool.execute(SQL["prune"], TRAIL_DAYS, PRUNED)

    async def _begin_all(self, asked: Sequence[tuple[Asked, str]]) -> list[Grant]:
        asked_at = time.monotonic()
        columns = zip(
            *(
                (*a.key, a.run_id, a.creator_id, a.video_id, *a.rewind, token, a.most, a.alone)
                for a, token in asked
            ),
            strict=True,
        )  # fmt: skip
        tokens = {a.key: token for a, token in asked}
        grants: dict[RunKey, Grant] = {}
        async with self._pool.acquire() as connection:
            for row in await connection.fetch(SQL["begin"], *map(list, columns), self._lease):
                grants[_key(row)] = self._granted(row, tokens[_key(row)], asked_at)
            refused = [key for key in tokens if key not in grants]
            if refused:
                for row in await connection.fetch(SQL["look"], *map(list, zip(*refused, strict=True))):
                    grants[_key(row)] = self._not_granted(row, tokens[_key(row)], asked_at)
        return [grants.get(a.key, Crowded()) for a, _ in asked]

    def _granted(self, row: Row, token: str, asked_at: float) -> Grant:
        return self._leased(row, token, asked_at) if row["attempts"] else HeldBack()

    def _leased(self, row: Row, token: str, asked_at: float) -> Lease:
        lease = Lease(
            _key(row), token, row["attempts"], row["crashes"], row["first_started_at"], asked_at + self._lease,
            row["crashes_alone"], row["waited"], row["reemit"],
        )  # fmt: skip
        self._held[token] = lease
        return lease

    def _not_granted(self, row: Row, token: str, asked_at: float) -> Grant:
        if row["ending"] is not None:
            problem = Problem(**json.loads(row["error"])) if row["error"] else None
            return Ended(row["ending"], row["told"], problem, row["attempts"], row["first_started_at"])
        if str(row["lease_token"]) == token:
            return self._leased(row, token, asked_at)  # it was granted, and the answer was lost on its way
        return Suspect() if row["suspect"] and not row["wait"] else Later(max(0.05, row["wait"]))

    async def _settle_all(self, settlements: Sequence[Settlement]) -> list[bool]:
        pages = _pages(s.lease for s in settlements)
        columns = zip(*(_settled(s, page) for s, (_, page) in zip(settlements, pages, strict=True)), strict=True)
        rows = await self._pool.fetch(SQL["settle"], *map(list, columns))
        _note_kept(pages)
        written = {_key(row) for row in rows}
        return [s.lease.key in written for s in settlements]

    async def _chosen_all(self, names: Sequence[str]) -> list[bytes | None]:
        found = {row["name"]: row["choice"] for row in await self._pool.fetch(SQL["chosen"], list(names))}
        return [found.get(name) for name in names]

    async def _choose_all(self, choices: Sequence[tuple[str, bytes]]) -> list[bytes]:
        rows = await self._pool.fetch(SQL["choose"], *map(list, zip(*choices, strict=True)))
        standing = {row["name"]: row["choice"] for row in rows}
        return [standing[name] for name, _ in choices]


def _key(row: Row) -> RunKey:
    return RunKey(row["function"], row["fingerprint"], str(row["input_id"]))


def _pages(leases: Iterable[Lease]) -> list[tuple[Lease, Page]]:
    return [(lease, lease.trail.page()) for lease in leases]


def _note_kept(pages: Iterable[tuple[Lease, Page]]) -> None:
    for lease, page in pages:
        lease.trail.keep(page)


def _shown(lease: Lease, page: Page) -> tuple[Any, ...]:
    """A trail to be kept: of which attempt, after how many deaths, how long it is, and its text."""
    return lease.attempt, lease.crashes + lease.crashes_alone, page.seconds, page.text


def _settled(s: Settlement, page: Page) -> tuple[Any, ...]:
    how = (s.ending, _to_json(s.problem), s.told, int(s.refund), s.wait, s.release)
    return (*s.lease.key, s.lease.token, *how, *_shown(s.lease, page))


def _to_json(problem: Problem | None) -> str | None:
    if problem is None:
        return None
    return json.dumps({"type": problem.type, "message": problem.message, "retryable": problem.retryable})
