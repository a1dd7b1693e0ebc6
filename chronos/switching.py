"""The two sides of the projection beside each other: what differs, the switch, the way back, and the end of one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from chronos import app, operations, searching, sides
from chronos.config import Settings
from chronos.pipeline import TABLES
from chronos.sides import LAYOUT, Side
from streams.postgres import Connection, Row, load_queries

SQL = load_queries("projections.sql", "rebuild.sql")

PATIENCE = 4.0  # seconds for a side that is live to come to where the other one is


class AlreadyRebuilding(Exception):
    """Another rebuild is under way."""


class NoOtherSide(Exception):
    """There is nothing to switch to, to go back to, or to drop."""


class NotCaughtUp(Exception):
    """The other side has not folded all that the active one has."""


@dataclass(frozen=True)
class Difference:
    """Rows of one table: only in the new side, only in the old one, or not the same."""

    table: str
    added: int
    gone: int
    changed: int

    def to_json(self) -> dict[str, int]:
        return {"added": self.added, "gone": self.gone, "changed": self.changed}


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[Connection]:
    """One at a time changes the sides, in the whole cluster."""
    await sides.prepare(settings)
    async with sides.one_connection(settings) as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('chronos.rebuild'))"):
            raise AlreadyRebuilding("another rebuild, switch or rollback is under way: wait for it, or stop it")
        yield connection


Marks = tuple[list[str], list[int], list[int]]  # topic UUIDs, partitions, next offsets


async def marks(connection: Connection) -> Marks:
    """How far the active side has come. It goes on meanwhile: who follows it is compared with one moment of it."""
    active, _ = await sides.active(connection)
    rows = await connection.fetch(_of_sides(SQL["marks"], active, active))
    columns = ("topic_id", "partition", "next_offset")
    topic_ids, partitions, offsets = ([row[column] for row in rows] for column in columns)
    return topic_ids, partitions, offsets


async def lag_of(connection: Connection, schema: str, there: Marks) -> int:
    """Events below some marks that a side has not folded."""
    return int(await connection.fetchval(_of_sides(SQL["lag"], schema, schema), *there))


async def compare(connection: Connection, old: str, new: str) -> list[Difference]:
    """What differs between two sides, in one snapshot."""
    found = []
    tables = {table.name: tuple(table.key) for table in TABLES} | {"served": ("creator_id", "video_id")}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for name, key in tables.items():
            columns = ", ".join(f'"{column}"' for column in key)
            statement = SQL["differences"].replace("key_columns", columns).replace("table_name", f'"{name}"')
            [row] = await connection.fetch(_of_sides(statement, old, new), timeout=None)
            found.append(Difference(name, row["added"], row["gone"], row["changed"]))
    return found


@dataclass(frozen=True)
class Answers:
    """The first ten hits of a question in two sides, or in two embedding spaces, each as video and second."""

    question: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    expected: str | None = None  # the hit that must be there, where it is known

    @property
    def overlap(self) -> float:
        """The share of the old hits that are still there."""
        return len(set(self.before) & set(self.after)) / len(self.before) if self.before else 1.0

    def to_json(self) -> dict[str, Any]:
        return {
            "question": self.question,
            "overlap": round(self.overlap, 3),
            "gone": [hit for hit in self.before if hit not in self.after],
            "new": [hit for hit in self.after if hit not in self.before],
        }


async def ask_both(settings: Settings, questions: Iterable[str], old: str, new: str) -> list[Answers]:
    """What two sides answer. The questions are embedded, which may cost a little."""
    found = []
    async with (
        app.embedders(settings) as embedders,
        app.projection_pool(settings, most=1, schema=old) as before,
        app.projection_pool(settings, most=1, schema=new) as after,
    ):
        for question in questions:
            hits = [await searching.ranked(pool, embedders, question, None) for pool in (before, after)]
            old_hits, new_hits = (tuple(_name(one.row) for one in some[:10]) for some in hits)
            found.append(Answers(question, old_hits, new_hits))
    return found


def _name(row: Row) -> str:
    return f"{row['video_id']} of {row['creator_id']} at {row['start_seconds']:.0f} s"


def _of_sides(statement: str, old: str, new: str) -> str:
    """The statement for two schemas of ours."""
    return statement.replace("old_side.", f'"{old}".').replace("new_side.", f'"{new}".')


async def status(settings: Settings) -> dict[str, Any]:
    """The sides, and how far each is."""
    await sides.prepare(settings)
    async with sides.one_connection(settings) as connection:
        active, before = await sides.active(connection)
        there = await marks(connection)
        return {
            "active": active,
            "before": before,
            "sides": [
                {
                    "schema": side.schema,
                    "state": side.state,
                    "active": side.schema == active,
                    "group": side.group,
                    "behind": await lag_of(connection, side.schema, there),
                }
                for side in await sides.sides(connection)
            ],
        }


async def switch(settings: Settings, reason: str | None) -> str:
    """Has readers look at the other side from now on; gives its schema.

    Raises:
        NoOtherSide, NotCaughtUp.
    """
    async with alone(settings) as connection:
        active, _ = await sides.active(connection)
        other = await _other(connection, active)
        said = "it is being built" if other.state != "live" else await _still_behind(connection, other.schema)
        if said:
            raise NotCaughtUp(f"side {other.schema} cannot be looked at yet: {said}; `chronos rebuild` goes on with it")
        await connection.execute(sides.SQL["switch"], LAYOUT, other.schema)
    await operations.tell(settings, "switch", other.schema, reason, {"from": active}, {"to": other.schema})
    return other.schema


async def _still_behind(connection: Connection, schema: str) -> str:
    """Waits for a side to come to where the active one is now; gives what is missing, if it does not in time."""
    there, deadline = await marks(connection), time.monotonic() + PATIENCE
    while behind := await lag_of(connection, schema, there):
        if time.monotonic() > deadline:
            return f"it is {behind} events behind"
        await asyncio.sleep(0.1)
    return ""


async def rollback(settings: Settings, reason: str | None) -> str:
    """Has readers look at the side before the last switch.

    Raises:
        NoOtherSide: it is gone.
    """
    async with alone(settings) as connection:
        active, before = await sides.active(connection)
        if before is None or before not in {side.schema for side in await sides.sides(connection)}:
            raise NoOtherSide("there is nothing to go back to: the side before is gone, or there was no switch")
        await connection.execute(sides.SQL["switch"], LAYOUT, before)
    await operations.tell(settings, "rollback", before, reason, {"from": active}, {"to": before})
    return before


async def drop(settings: Settings, reason: str | None) -> str:
    """Removes the side that nobody looks at, also one that is being built; gives its schema.

    Raises:
        NoOtherSide.
    """
    async with alone(settings) as connection:
        active, _ = await sides.active(connection)
        other = await _other(connection, active)
        await connection.execute(sides.SQL["remove"], other.schema)
        await connection.execute(sides.SQL["forget_before"], other.schema)
        await sides.drop_schema(settings, other.schema)
    await operations.tell(settings, "drop", other.schema, reason, {}, {})
    return other.schema


async def _other(connection: Connection, active: str) -> Side:
    for side in await sides.sides(connection):
        if side.schema != active:
            return side
    raise NoOtherSide(f"there is one side alone, {active}: `chronos rebuild` makes another")
