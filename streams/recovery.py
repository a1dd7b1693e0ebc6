"""Puts back into the journal what the log knows of it. What the journal holds already is never overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from streams.postgres import Connection, load_queries

SQL = load_queries("streams.sql", "recovery.sql")


class KeptResult(NamedTuple):
    """A paid result that rode in a fact of a run: that run's video uses it."""

    creator_id: str | None
    video_id: str
    run_id: str
    key: str
    result: bytes
    quantity: float
    cost_micro_usd: int
    at: datetime


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
    at: datetime


class KeptRun(NamedTuple):
    """A run that said something, and how it ended if that was its last word. Attempts: those that are used up."""

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


class KeptChoice(NamedTuple):
    """What was chosen, under its name."""

    name: str
    choice: bytes


class KeptCancel(NamedTuple):
    """A run that a person called off."""

    run_id: str
    at: datetime


class KeptDeletion(NamedTuple):
    """A video that a person deleted: older runs are meant."""

    creator_id: str
    video_id: str
    run_id: str


class KeptBudget(NamedTuple):
    """What a creator's videos may cost a day, as it was set or dropped once."""

    creator_id: str
    micro_usd: int | None
    dropped: bool
    at: datetime


Kept: TypeAlias = KeptResult | KeptSpend | KeptRun | KeptChoice | KeptCancel | KeptDeletion | KeptBudget

TABLES: dict[str, type[tuple[object, ...]]] = {
    "deleted": KeptDeletion,
    "spends": KeptSpend,
    "results": KeptResult,
    "runs": KeptRun,
    "choices": KeptChoice,
    "cancelled": KeptCancel,
    "budgets": KeptBudget,
}
"""In the order in which they are put back: what was deleted does not come back."""


class Recovery:
    """Gathers what is found, and puts it back at once: a journal that holds a part would be taken for a whole one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self) -> None:
        await self._connection.execute(SQL["stage"])

    async def gather(self, found: Sequence[Kept]) -> None:
        for name, kind in TABLES.items():
            if rows := [one for one in found if isinstance(one, kind)]:
                await self._connection.copy_records_to_table(f"recovered_{name}", records=rows)

    async def put_back(self) -> dict[str, int]:
        """All in one transaction; gives how many of each kind the journal did not hold."""
        async with self._connection.transaction():
            return {name: _count(await self._connection.execute(SQL[name], timeout=None)) for name in TABLES}


def _count(said: str) -> int:
    """Of Postgres's answer to an insert, `INSERT 0 17`."""
    return int(said.rpartition(" ")[2])
