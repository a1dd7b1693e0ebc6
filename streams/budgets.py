"""What a creator's videos may cost a day (UTC). It holds before a call: spent, in the air and wanted must fit together.

The rule itself is in the journal, under a lock of the creator (`claim` in journal_functions.sql).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streams.postgres import Pool, load_queries, patiently

SQL = load_queries("streams.sql", "budgets.sql")

EVERYBODY = ""
"""Stands for each creator who has no budget of his own."""


@dataclass(frozen=True)
class Budget:
    """A budget with what is used of it. Money is in millionths of a dollar."""

    creator_id: str
    own: bool  # or everybody's
    micro_usd: int | None  # None: no limit
    spent: int  # since midnight
    in_air: int  # what calls that are under way will cost
    held: tuple[str, ...] = ()  # functions that begin nothing of this creator's
    since: datetime | None = None
    needs: int | None = None  # what the call would cost that did not fit


class Budgets:
    """The budgets that stand in the journal."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all(self, creator: str | None = None) -> list[Budget]:
        """Those that are set, and of each creator whom one holds; of one creator where he is named, whatever counts."""
        rows = await patiently(lambda: self._pool.fetch(SQL["state"], creator))
        return [
            Budget(
                row["creator_id"], row["set_at"] is not None, row["micro_usd"], row["spent"], row["in_air"],
                tuple(row["functions"]), row["since"], row["needs"],
            )
            for row in rows
        ]  # fmt: skip

    async def put(self, creator: str, micro_usd: int | None) -> None:
        """What it holds goes on by itself where it fits now."""
        await patiently(lambda: self._pool.execute(SQL["set"], creator, micro_usd))

    async def drop(self, creator: str) -> bool:
        """Whether there was one. Everybody's counts again."""
        return bool(await patiently(lambda: self._pool.fetch(SQL["drop"], creator)))

    async def says(self, creator: str) -> str:
        """How much of a creator's budget is used, for people."""
        (row,) = await patiently(lambda: self._pool.fetch(SQL["room"], creator))
        limit, spent, in_air = (dollars(row[name] or 0) for name in ("micro_usd", "spent", "in_air"))
        return f"{limit} a day, of which {spent} is spent and {in_air} on its way"


def dollars(micro_usd: int) -> str:
    """As exactly as it must be: a call may cost less than a cent."""
    whole = f"{micro_usd / 1e6:.6f}".rstrip("0")
    return "$" + whole + "0" * max(0, 2 - len(whole.partition(".")[2]))
