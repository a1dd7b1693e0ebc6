"""What a projection is: tables of registers, joined by version, so that order, duplicates and rewinds do not matter.

A fact is turned into puts. A put sets one register (some columns that belong together) of one row, at a version; the
greatest version stands. Joining is commutative, associative and idempotent by construction: the tables are a function
of the set of facts, and not of the way in which they came.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from schemas.event import Event
from streams.codec import Received

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


@dataclass(frozen=True, slots=True)
class Put:
    """Sets one register of one row, if `at` is greater than what stands there."""

    table: Table
    key: Key
    register: str
    values: tuple[Any, ...]
    at: bytes


@dataclass(frozen=True, slots=True)
class Version:
    """A fact's place among all that could set the same register.

    Order: run, rank within the run, sequence, event id, then, among copies of one event, the greater payload, the
    earlier time, the earlier place.
    """

    run_id: str
    sequence: int
    event_id: str
    payload: bytes
    time: datetime
    offset: int

    def at(self, rank: int = 0) -> bytes:
        """65 bytes that sort as versions do. `rank`: a status's height within its run."""
        micros = int(self.time.timestamp() * 1_000_000)
        return b"".join(
            (
                uuid.UUID(self.run_id).bytes,
                bytes((rank,)),
                self.sequence.to_bytes(8, "big"),
                uuid.UUID(self.event_id).bytes,
                hashlib.blake2b(self.payload, digest_size=8).digest(),
                (_LONG - micros).to_bytes(8, "big"),
                (_LONG - self.offset).to_bytes(8, "big"),
            )
        )


def version_of(received: Received) -> Version:
    record = received.record
    return Version(
        received.run_id, received.sequence, received.id, record.value or b"", received.at, record.offset
    )  # fmt: skip


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
