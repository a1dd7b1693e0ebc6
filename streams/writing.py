"""Rows into tables: one statement a table, which joins register by register in the database itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from streams.postgres import Connection
from streams.projection import Rows, Table


async def write(connection: Connection, tables: Iterable[Table], rows: dict[str, Rows]) -> None:
    """Joins the rows into their tables, in the order of `tables` and of the keys, so that two writers never deadlock.

    The statement keeps the greater version of each register, so that it needs no read before it: a row lock is taken
    and the join is made in one round trip.
    """
    for table in tables:
        found = rows.get(table.name)
        if found:
            await connection.execute(upsert(table.name, _shape(table)), *columns(table, found))


async def copy(connection: Connection, tables: Iterable[Table], rows: dict[str, Rows]) -> None:
    """Copies rows into tables that have none of their keys, which is several times as quick as joining them.

    Raises:
        asyncpg.UniqueViolationError: they have; nothing was written.
    """
    for table in tables:
        if found := rows.get(table.name):
            records = zip(*columns(table, found), strict=True)
            await connection.copy_records_to_table(table.name, records=records, columns=table.columns())


def columns(table: Table, rows: Rows) -> list[list[Any]]:
    """Values by column, rows in the order of their keys."""
    keys = sorted(rows, key=lambda key: tuple(map(str, key)))
    found = [_clean(kind, column) for kind, column in zip(table.key.values(), zip(*keys, strict=True), strict=True)]
    for register, typed in table.registers.items():
        unset = (b"", (None,) * len(typed))
        standing = [rows[key].get(register, unset) for key in keys]
        values = zip(*(values for _, values in standing), strict=True)
        found += [_clean(kind, column) for kind, column in zip(typed.values(), values, strict=True)]
        found.append([version or None for version, _ in standing])
    return found


_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def _clean(kind: str, column: Sequence[Any]) -> list[Any]:
    """Postgres's text and jsonb cannot hold NUL; whoever wrote one did not mean it."""
    if kind == "text":
        return [value.replace("\0", "") if value else value for value in column]
    if kind == "jsonb":
        return [_ESCAPED_NUL.sub(r"\1", value) if value and "\\u0000" in value else value for value in column]
    return list(column)


_Shape = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]


def _shape(table: Table) -> _Shape:
    return tuple(table.key.items()), tuple((name, tuple(cols.items())) for name, cols in table.registers.items())


@cache
def upsert(name: str, shape: _Shape) -> str:
    """The statement of a table, made once from its declaration: identifiers come from code, values are parameters."""
    key, registers = shape
    typed = [*key]
    sets = []
    for register, cols in registers:
        version = f'"{register}_version"'
        newer = f"excluded.{version} > coalesce(t.{version}, '')"
        sets += [f'"{c}" = CASE WHEN {newer} THEN excluded."{c}" ELSE t."{c}" END' for c, _ in cols]
        sets.append(f"{version} = greatest(t.{version}, excluded.{version})")
        typed += [*cols, (f"{register}_version", "bytea")]
    names = ", ".join(f'"{column}"' for column, _ in typed)
    arrays = ", ".join(f"${i}::{kind}[]" for i, (_, kind) in enumerate(typed, 1))
    return (
        f'INSERT INTO "{name}" AS t ({names}) SELECT * FROM unnest({arrays}) '  # noqa: S608  # no value is in it
        f"ON CONFLICT ({', '.join(_quoted(c for c, _ in key))}) DO UPDATE SET {', '.join(sets)} "
        f"WHERE {' OR '.join(_changes(register) for register, _ in registers)}"
    )


def _changes(register: str) -> str:
    """A row that would stay as it is is not written: a replay leaves the table's pages alone."""
    version = f'"{register}_version"'
    return f"excluded.{version} > coalesce(t.{version}, '')"


def _quoted(names: Iterable[str]) -> Sequence[str]:
    return [f'"{name}"' for name in names]
