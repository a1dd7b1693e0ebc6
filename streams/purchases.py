"""What was paid for: bought once, whoever asks, and every call's price kept with its answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.batcher import Batcher
from streams.journal import Asked, RunKey
from streams.metrics import journal_seconds as seconds
from streams.postgres import Pool, Row, load_queries, patiently

SQL = load_queries("streams.sql", "purchases.sql")


class Result(NamedTuple):
    """A paid result with what it cost."""

    result: bytes
    quantity: float
    cost_micro_usd: int


@dataclass(frozen=True)
class Wish:
    """A call that a run would like to make. `quotes`: what it would cost by key, where a budget has a say."""

    asked: Asked
    provider: str
    model: str
    keys: tuple[str, ...]
    quotes: tuple[int, ...] | None = None
    token: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Claim:
    """What came of a wish: what is bought already, and which keys this call is to buy."""

    results: dict[str, Result]
    granted: tuple[str, ...]
    pause: tuple[float, str] | None  # seconds, why: the provider must not be called
    cancelled: bool
    held: bool  # by its creator's budget
    unquoted: bool  # there is a budget: ask again with quotes
    troubled: bool  # the provider failed of late: a call that works is to be reported


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


class Purchases:
    """Group-committed access to what was paid for. Waits while the database is away; never gives up by itself."""

    def __init__(self, pool: Pool, *, lease: float = 60.0) -> None:
        self._pool, self._lease = pool, lease
        self._in_air: set[str] = set()  # tokens of claimed calls
        self._told: set[str] = set()
        self._recall: Batcher[tuple[str, ...], dict[str, Result]] = Batcher(
            lambda q: patiently(lambda: self._recall_all(q)), observe=seconds("recall")
        )
        self._claim: Batcher[Wish, Claim] = Batcher(
            lambda q: patiently(lambda: self._claim_all(q)), observe=seconds("claim")
        )
        self._keep: Batcher[tuple[Asked, Purchase], dict[str, Result]] = Batcher(
            lambda q: patiently(lambda: self._keep_all(q)), most=50, observe=seconds("keep")
        )
        self._use: Batcher[tuple[Asked, tuple[str, ...]], set[str]] = Batcher(
            lambda q: patiently(lambda: self._use_all(q)), observe=seconds("use")
        )

    async def recall(self, keys: Sequence[str]) -> dict[str, Result]:
        """What has been paid for already, by key."""
        return await self._recall(tuple(keys)) if keys else {}

    async def bought(self, keys: Sequence[str]) -> set[str]:
        """Which of these have been paid for, without their results."""
        rows = await patiently(lambda: self._pool.fetch(SQL["bought"], list(keys)))
        return {row["key"] for row in rows}

    async def claim(self, wish: Wish) -> Claim:
        """Asks for leave to make a call. What is granted must be kept or released: others wait for it."""
        claim = await self._claim(wish)
        if claim.granted:
            self._in_air.add(wish.token)
        return claim

    async def keep(self, asked: Asked, purchase: Purchase) -> dict[str, Result]:
        """Keeps what was bought, with its spend. Gives what is kept now: an earlier purchase of the same stands."""
        kept = await self._keep((asked, purchase))
        self._in_air.discard(purchase.token)
        return kept

    async def use(self, asked: Asked, keys: Iterable[str]) -> set[str]:
        """Notes that a run uses results that it did not buy, so that no deletion of another video takes them away.
        Gives those that are still kept."""
        wanted = tuple(keys)
        return await self._use((asked, wanted)) if wanted else set()

    async def release(self, token: str) -> None:
        """The call was not made, or gave nothing."""
        await patiently(lambda: self._pool.execute(SQL["release"], token))
        self._in_air.discard(token)

    async def spends(self, key: RunKey) -> list[Spend]:
        """All that one function bought for one input."""
        rows = await patiently(lambda: self._pool.fetch(SQL["spends_of"], key.input_id, key.function))
        return [_spend(row) for row in rows]

    async def untold(self) -> list[UntoldSpend]:
        """Spends of runs that are over, still to be told; 500 at most."""
        rows = await patiently(lambda: self._pool.fetch(SQL["spends_of_the_past"]))
        return [_untold(row) for row in rows if str(row["token"]) not in self._told]

    def note_told(self, tokens: Iterable[str]) -> None:
        """These spends' usage is on the log. Written with the next renewal: to tell one twice does no harm."""
        self._told.update(tokens)

    async def renew(self) -> None:
        """Prolongs the claims of this process's calls. Call it at a third of the lease's time."""
        if self._told:
            told, self._told = self._told, set()
            await self._pool.execute(SQL["told"], list(told))
        if self._in_air:
            await self._pool.execute(SQL["renew"], list(self._in_air), self._lease)

    async def _recall_all(self, wanted: Sequence[tuple[str, ...]]) -> list[dict[str, Result]]:
        found = await self._results({key for keys in wanted for key in keys})
        return [{key: found[key] for key in keys if key in found} for keys in wanted]

    async def _results(self, keys: Iterable[str]) -> dict[str, Result]:
        rows = await self._pool.fetch(SQL["recall"], list(keys))
        return {row["key"]: _result(row) for row in rows}

    async def _claim_all(self, wishes: Sequence[Wish]) -> list[Claim]:
        lines = [line for wish in wishes for line in _lines(wish)]
        rows: dict[str, list[Row]] = {wish.token: [] for wish in wishes}
        for row in await self._pool.fetch(SQL["claim"], *map(list, zip(*lines, strict=True)), self._lease):
            rows[str(row["token"])].append(row)
        return [_claim(rows[wish.token]) for wish in wishes]

    async def _keep_all(self, bought: Sequence[tuple[Asked, Purchase]]) -> list[dict[str, Result]]:
        entries = {entry[0]: (*entry, purchase.token) for _, purchase in bought for entry in purchase.entries}
        spends = [_spend_row(asked, purchase) for asked, purchase in bought]
        columns = (*zip(*entries.values(), strict=True), *zip(*spends, strict=True))
        rows = await self._pool.fetch(SQL["keep"], *map(list, columns))
        results = {key: Result(result, quantity, cost) for key, result, quantity, cost, _ in entries.values()}
        if rows:
            results |= await self._results(row["key"] for row in rows)
        return [{entry[0]: results[entry[0]] for entry in purchase.entries} for _, purchase in bought]

    async def _use_all(self, wanted: Sequence[tuple[Asked, tuple[str, ...]]]) -> list[set[str]]:
        lines = [(key, asked.creator_id, asked.video_id, asked.run_id) for asked, keys in wanted for key in keys]
        rows = await self._pool.fetch(SQL["use"], *map(list, zip(*lines, strict=True)))
        kept = {row["key"] for row in rows}
        return [kept.intersection(keys) for _, keys in wanted]


def _lines(wish: Wish) -> list[tuple[object, ...]]:
    asked, quotes = wish.asked, wish.quotes or (None,) * len(wish.keys)
    who = (wish.token, wish.provider, wish.model, asked.run_id, asked.key.function, asked.creator_id)
    return [(key, *who, quote) for key, quote in zip(wish.keys, quotes, strict=True)]


def _claim(rows: Sequence[Row]) -> Claim:
    """The answer to one wish out of its rows, one a key."""
    verdicts = {row["key"]: row["verdict"] for row in rows}
    paused = next(((row["seconds"], row["reason"]) for row in rows if row["verdict"] == "paused"), None)
    return Claim(
        {row["key"]: _result(row) for row in rows if row["verdict"] == "kept"},
        tuple(key for key, verdict in verdicts.items() if verdict == "yours"),
        paused,
        "cancelled" in verdicts.values(),
        "held" in verdicts.values(),
        "unquoted" in verdicts.values(),
        any(row["troubled"] for row in rows),
    )


def _result(row: Row) -> Result:
    return Result(bytes(row["result"]), row["quantity"], row["cost_micro_usd"])


def _spend(row: Iterable[Any]) -> Spend:
    token, usage, model, quantity, cost, keys, told = row
    return Spend(str(token), usage, model, quantity, cost, tuple(keys), told)


def _untold(row: Row) -> UntoldSpend:
    return UntoldSpend(
        _spend(tuple(row)[:7]),
        RunKey(row["function"], row["fingerprint"], str(row["input_id"])),
        str(row["run_id"]),
        row["creator_id"],
        row["video_id"] or "",
        row["first_started_at"],
    )


def _spend_row(asked: Asked, purchase: Purchase) -> tuple[object, ...]:
    """Its keys as the text of an array: lists of unequal length are no array of arrays."""
    keys = "{" + ",".join(f'"{key}"' for key, *_ in purchase.entries) + "}"
    return (
        purchase.token, asked.key.function, asked.key.input_id, asked.run_id, asked.creator_id, asked.video_id,
        purchase.usage, purchase.model, purchase.quantity(), purchase.cost(), keys,
    )  # fmt: skip
