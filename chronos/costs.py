"""What was used and paid, as `chronos usage`, the API and the console tell it: row by row, summed up, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from streams.postgres import Pool, Row, load_queries

SQL = load_queries("projections.sql", "usage.sql")

MOST = 100_000  # rows that are given out at once: some 50 MB on their way
COLUMNS = ("day", "creatorId", "function", "model", "kind", "how", "quantity", "usd")
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet, and a creator's id may begin so."""


class TooMuch(Exception):
    """More rows than are given out at once."""


@dataclass(frozen=True)
class Wish:
    """Whose usage, of which model, from one day (UTC) on, before another, of which video. None: of all."""

    creator: str | None = None
    model: str | None = None
    since: date | None = None
    before: date | None = None
    video: str | None = None

    def values(self) -> tuple[str | None, str | None, date | None, date | None, str | None]:
        return self.creator, self.model, self.since, self.before, self.video


async def rows(pool: Pool, wish: Wish, most: int = MOST) -> list[Row]:
    """By day, creator, function, kind, model, and whether it was remembered.

    Raises:
        TooMuch.
    """
    found: list[Row] = await pool.fetch(SQL["usage"], *wish.values(), most)
    if len(found) > most:
        raise TooMuch(f"these are more than {most:,} rows of usage: choose fewer days, or one creator")
    return found


async def sums(pool: Pool, wish: Wish) -> dict[str, list[Row]]:
    """`total`, one row, and `creators`, `models`, `functions` and `days`; who paid most comes first."""
    parts: dict[str, list[Row]] = {"total": [], "creators": [], "models": [], "functions": [], "days": []}
    for row in await pool.fetch(SQL["sums"], *wish.values()):
        parts[row["part"]].append(row)
    parts["days"].sort(key=lambda row: row["day"], reverse=True)
    return parts


def as_csv(found: Iterable[Row | Mapping[str, Any]]) -> Iterator[str]:
    """Line by line. Excel and its like take no cell for a formula."""
    yield _line(COLUMNS)
    for row in found:
        yield _line(
            (
                row["day"].isoformat(),
                _text(row["creator_id"]),
                _text(row["function"]),
                _text(row["model"]),
                _text(row["kind"]),
                "remembered" if row["memoized"] else "paid",
                f"{row['quantity']:.3f}",
                f"{row['cost_micro_usd'] / 1e6:.6f}",
            )
        )


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _text(value: str | None) -> str:
    text = value or ""
    return f"'{text}" if text.startswith(FORMULAS) else text
