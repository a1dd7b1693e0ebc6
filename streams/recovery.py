"""Puts back into the journal what the log knows of it. What the journal holds already is never overwritten."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from streams.postgres import Pool, load_queries

SQL = load_queries("streams.sql", "recovery.sql")


class KeptResult(NamedTuple):
    """A paid result that rode in a fact."""

    key: str
    result: bytes
    quantity: float
    cost_micro_usd: int


class KeptSpend(NamedTuple):
    """A paid call whose usage is on the log."""

    token: str
    function: str
    input_id: str
    run_id: str
    creator_id: str | None
    video_id: str
    usage: str
    model: str
    quantity: float
    cost_micro_usd: int
    keys: tuple[str, ...]


class KeptRun(NamedTuple):
    """A run that said something, and how it ended if that was its last word."""

    function: str
    fingerprint: str
    input_id: str
    run_id: str
    creator_id: str | None
    video_id: str
    first_started_at: int  # microseconds: its sequence
    attempts: int
    ending: str | None
    error: str | None


class KeptCancel(NamedTuple):
    """A run that a person called off."""

    run_id: str


class Choice(NamedTuple):
    """What a function chose once."""

    name: str
    choice: bytes


Found = KeptResult | KeptSpend | KeptRun | KeptCancel | Choice


class Recovery:
    """Writes batches of what was found."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, found: Sequence[Found]) -> Counter[str]:
        """All in one transaction; gives how many of each kind."""
        results = [(*one, str(uuid.uuid4())) for one in found if isinstance(one, KeptResult)]
        spends = [one for one in found if isinstance(one, KeptSpend)]
        runs = [one for one in found if isinstance(one, KeptRun)]
        choices = [one for one in found if isinstance(one, Choice)]
        cancels = [one for one in found if isinstance(one, KeptCancel)]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.executemany(SQL["result"], results)
            await connection.executemany(SQL["spend"], spends)
            await connection.executemany(SQL["run"], runs)
            await connection.executemany(SQL["choice"], choices)
            await connection.executemany(SQL["cancel"], cancels)
        ended = sum(run.ending is not None for run in runs)
        return Counter(
            results=len(results), spends=len(spends), runs=ended, choices=len(choices), cancelled=len(cancels)
        )
