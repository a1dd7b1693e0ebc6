"""What a projection is: tables of registers, joined by version, so that order, duplicates and rewinds do not matter.

A fact is turned into puts. A put sets one register (some columns that belong together) of one row, at a version; the
greatest version stands. Joining is commutative, associative and idempotent by construction: the tables are a function
of the set of facts, and not of the way in which they came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from schemas.event import Event
from streams.codec import Received
from streams.identity import to_bytes

_LONG = (1 << 63) - 1

Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """A table: its key columns, and its registers, each some columns that are set together. Types are Postgres's."""

    name: str
    key: Mapping[str, str]
    registers: Mapping[str, Mapping[str, str]]

    def columns(self) -> list[str]:
        """All columns in the order in which they are written: key, then each register's with its version."""
        found = list(self.key)
        for register, columns in self.registers.items():
            found += [*columns, f"{register}_version"]
        return found


class Put(NamedTuple):
    """Sets one register of one row, if `at` is greater than what stands there."""

    table: Table
    key: Key
    register: str
    values: tuple[Any, ...]
    at: bytes


class Version(NamedTuple):
    """A fact's place among all that could set the same register.

    Order: run, rank within the run, sequence, event id, then, among copies of one event, the greater payload, the
    earlier time, the earlier place.
    """

    run: bytes
    within_rank: bytes

    def at(self, rank: int = 0) -> bytes:
        """65 bytes that sort as versions do. `rank`: a status's height within its run."""
        return b"%b%c%b" % (self.run, rank, self.within_rank)


def version_of(received: Received) -> Version:
    record = received.record
    micros = int(received.at.timestamp() * 1_000_000)
    parts = (
        received.sequence.to_bytes(8, "big"),
        to_bytes(received.id),
        hashlib.blake2b(record.value or b"", digest_size=8).digest(),
        (_LONG - micros).to_bytes(8, "big"),
        (_LONG - record.offset).to_bytes(8, "big"),
    )
    return Version(to_bytes(received.run_id), b"".join(parts))


Evolve: TypeAlias = Callable[[Received, Version], Iterator[Put]]


@dataclass(frozen=True)
class Projection:
    """A read model: its tables, the events that concern it, and the pure rule that makes puts of them."""

    name: str
    tables: tuple[Table, ...]
    events: tuple[type[Event], ...]
    evolve: Evolve


Registers: TypeAlias = dict[str, tuple[bytes, tuple[Any, ...]]]
Rows: TypeAlias = dict[Key, Registers]


def fold(puts: Iterable[Put], into: dict[str, Rows] | None = None) -> dict[str, Rows]:
    """Joins puts: rows by table name and key, with the value that stands in each register."""
    tables: dict[str, Rows] = {} if into is None else into
    for put in puts:
        row = tables.setdefault(put.table.name, {}).setdefault(put.key, {})
        standing = row.get(put.register)
        if standing is None or put.at > standing[0]:
            row[put.register] = (put.at, put.values)
    return tables


def puts_of(projections: Iterable[Projection], received: Received) -> Iterator[Put]:
    """All that one record says to all projections."""
    version = version_of(received)
    for projection in projections:
        if isinstance(received.event, projection.events):
            yield from projection.evolve(received, version)
