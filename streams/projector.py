"""Folds the log into tables: rows and checkpoint in one transaction. What reads the log for it: member.py."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from streams import metrics
from streams.codec import Codec, NewerThanThis, Received, Undecodable
from streams.postgres import Connection, Pool, Row, load_queries, patiently
from streams.projection import Projection, Rows, Table, fold, puts_of
from streams.record import Record
from streams.writing import write

log = structlog.get_logger()
SQL = load_queries("streams.sql", "projector.sql")

Place = tuple[str, int]  # topic, partition
Expected = Mapping[Place, int | None]  # where checkpoints should stand; None: there is none yet


class TopicChanged(Exception):
    """A topic was made anew or has grown since the tables were folded from it."""


class Moved(Exception):
    """Another projector has moved the checkpoint: read again from there."""


@dataclass(frozen=True)
class Batch:
    """Records that are folded in one transaction."""

    received: Sequence[Received]
    rows: dict[str, Rows]


Writing = Callable[[Connection, Iterable[Table], dict[str, Rows]], Awaitable[None]]


@dataclass(frozen=True)
class Settling:
    """What must be decided before and after the rows are written, in the same transaction."""

    names: Callable[[Batch], Iterable[str]]  # what is to be locked before the first row, by name
    admit: Callable[[Connection, Batch], Awaitable[dict[str, Rows]]]  # what of the rows is to be written
    decide: Callable[[Connection, Batch], Awaitable[None]]


@dataclass
class Folding:
    """What is folded, and into what: the same for a live projection, a rebuild and a verification."""

    group: str  # of its checkpoints
    pool: Pool  # its connections find the tables by their search_path
    projections: Sequence[Projection]
    codec: Codec
    topic_ids: Mapping[str, tuple[str, int]]  # topic -> (UUID, partitions)
    settling: Settling
    before: Callable[[Connection, Batch], Awaitable[None]]
    tables: list[Table] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = [table for projection in self.projections for table in projection.tables]

    def topics(self) -> list[str]:
        return sorted({event.name for projection in self.projections for event in projection.events})

    async def checkpoints(self) -> dict[Place, int]:
        """How far the tables have come.

        Raises:
            TopicChanged: with the remedy.
        """
        rows = await patiently(lambda: self.pool.fetch(SQL["checkpoints"], self.group))
        for topic in self._replaced(rows):
            raise TopicChanged(
                f"topic {topic} was made anew or has grown since the tables were folded from it: fold it from its "
                f"beginning with `chronos rewind projection --to-earliest --execute`; what only the older one said "
                "stays in the tables until `chronos rebuild`"
            )
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def replaced(self) -> list[str]:
        """Topics that were made anew or have grown since the tables were folded from them."""
        return self._replaced(await self.pool.fetch(SQL["checkpoints"], self.group))

    def _replaced(self, rows: Iterable[Row]) -> list[str]:
        known = {(row["topic"], (row["topic_id"], row["partitions"])) for row in rows}
        return sorted({topic for topic, then in known if self.topic_ids.get(topic, then) != then})

    async def forget_older(self) -> None:
        """Has topics that were made anew begin anew, and notes how far others have grown."""
        topics = sorted(self.topic_ids)
        ids, counts = zip(*(self.topic_ids[topic] for topic in topics), strict=True)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["forget_older"], self.group, topics, ids)
            await connection.execute(SQL["recount"], self.group, ids, counts)

    async def apply(self, records: Sequence[Record], expected: Expected) -> dict[Place, int]:
        """Folds records and moves the checkpoints, all or nothing. Gives where the records end.

        Raises:
            Moved: a checkpoint was not where it was expected; nothing was written.
        """
        rows: dict[str, Rows] = {}
        batch = Batch(self.fold(records, rows), rows)
        moved = ends(records)
        with metrics.FOLD_SECONDS.time():
            await patiently(lambda: self.keep(batch, moved, expected))
        _count(records)
        return moved

    def fold(self, records: Iterable[Record], into: dict[str, Rows]) -> list[Received]:
        """Joins records to rows; gives those that can be read.

        Raises:
            NewerThanThis: a later version of this program must fold them.
        """
        found = []
        for record in records:
            try:
                received = self.codec.read(record)
            except NewerThanThis:  # passed over, it would be missing until the next rebuild
                raise
            except Undecodable as error:  # its function's group has made a dead letter of it
                log.debug("passed over", record=str(record), reason=str(error))
                continue
            found.append(received)
            fold(puts_of(self.projections, received), into)
        return found

    async def keep(
        self, batch: Batch, moved: Mapping[Place, int], expected: Expected, *, writing: Writing = write
    ) -> None:
        """Writes a batch and moves the checkpoints, all or nothing.

        Raises:
            Moved: a checkpoint was not where it was expected.
        """
        async with self.pool.acquire() as connection:
            await self.before(connection, batch)
            async with connection.transaction():
                if names := sorted(set(self.settling.names(batch))):
                    await connection.fetch(SQL["lock"], names)
                await writing(connection, self.tables, await self.settling.admit(connection, batch))
                await self.settling.decide(connection, batch)
                await self._move(connection, moved, expected)

    async def _move(self, connection: Connection, moved: Mapping[Place, int], expected: Expected) -> None:
        places = sorted(moved)
        ids = [self.topic_ids[topic] for topic, _ in places]
        rows = await connection.fetch(
            SQL["move"],
            [self.group] * len(places),
            [topic_id for topic_id, _ in ids],
            [topic for topic, _ in places],
            [partition for _, partition in places],
            [partitions for _, partitions in ids],
            [expected.get(place) for place in places],
            [moved[place] for place in places],
        )
        if len(rows) != len(places):
            raise Moved


def _count(records: Sequence[Record]) -> None:
    now = time.time()
    metrics.FOLDED.inc(len(records))
    metrics.FOLD_DELAY.observe(max(0.0, now - max(record.timestamp_ms for record in records) / 1000))
    metrics.CHECKPOINT_AT.set(now)


def ends(records: Iterable[Record]) -> dict[Place, int]:
    """Where each partition goes on after these."""
    found: dict[Place, int] = {}
    for record in records:
        place = (record.topic, record.partition)
        found[place] = max(found.get(place, 0), record.offset + 1)
    return found
