"""Folds the log into tables: rows and checkpoint in one transaction, from where both group and checkpoint allow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from streams.codec import Codec, Received, Undecodable
from streams.kafka import Cluster, to_record
from streams.postgres import AWAY, Connection, Pool, load_queries, patiently
from streams.progress import Progress, Standing
from streams.projection import Projection, Rows, Table, fold, puts_of
from streams.reading import watermarks
from streams.record import Record
from streams.writing import write

log = structlog.get_logger()
SQL = load_queries("streams.sql", "projector.sql")

PROGRESS_LOOK = 1.0  # seconds: as long as a rewind may wait to be seen
MOST = 500  # records a transaction: below 100 the commits cost more than the rows; above 1,000 a reader waits for locks

Place = tuple[str, int]  # topic, partition
Expected = Mapping[Place, int | None]  # where checkpoints should stand; None: there is none yet


class LogTruncated(Exception):
    """The log no longer holds an offset that the tables need next."""


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
        found = {}
        for row in rows:
            topic_id, partitions = self.topic_ids.get(row["topic"], ("", 0))
            if topic_id != row["topic_id"] or partitions != row["partitions"]:
                raise TopicChanged(
                    f"topic {row['topic']} was made anew or has grown since the tables were folded from it; "
                    "fold them again: `chronos dev --reset` on a machine of your own, else drop the projection's schema"
                )
            found[row["topic"], row["partition"]] = row["next_offset"]
        return found

    async def apply(self, records: Sequence[Record], expected: Expected) -> dict[Place, int]:
        """Folds records and moves the checkpoints, all or nothing. Gives where the records end.

        Raises:
            Moved: a checkpoint was not where it was expected; nothing was written.
        """
        rows: dict[str, Rows] = {}
        batch = Batch(self.fold(records, rows), rows)
        moved = ends(records)
        await patiently(lambda: self.keep(batch, moved, expected))
        return moved

    def fold(self, records: Iterable[Record], into: dict[str, Rows]) -> list[Received]:
        """Joins records to rows; gives those that can be read."""
        found = []
        for record in records:
            try:
                received = self.codec.read(record)
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


def ends(records: Iterable[Record]) -> dict[Place, int]:
    """Where each partition goes on after these."""
    found: dict[Place, int] = {}
    for record in records:
        place = (record.topic, record.partition)
        found[place] = max(found.get(place, 0), record.offset + 1)
    return found


class Projector:
    """A member of the projection's group: reads its partitions and folds them until it is told to stop."""

    def __init__(self, folding: Folding, cluster: Cluster, group: str, *, session_timeout: float = 10.0) -> None:
        self._folding, self._group = folding, group
        self._expected: dict[Place, int | None] = {}
        self._trouble: Exception | None = None
        self._next_look = 0.0
        self._loop = asyncio.get_running_loop()
        self._consumer = Consumer(
            cluster.settings(
                {
                    "group.id": group,
                    "enable.auto.commit": False,
                    "auto.offset.reset": "error",  # where to start is decided here, never by a default
                    "session.timeout.ms": int(session_timeout * 1000),
                    "heartbeat.interval.ms": int(session_timeout * 1000 / 3.3),
                    "fetch.message.max.bytes": 8 * 1024 * 1024,
                    "queued.max.messages.kbytes": 65_536,
                    "fetch.wait.max.ms": 100,
                    "partition.assignment.strategy": "range",
                }
            )
        )

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Folds until `stop` is set.

        Raises:
            LogTruncated, TopicChanged: the tables cannot be right; the message names the remedy.
        """
        await self._folding.checkpoints()
        self._consumer.subscribe(self._folding.topics(), on_assign=self._assigned, on_revoke=self._revoked)
        ready()
        try:
            while not stop.is_set():
                records = await asyncio.to_thread(self._poll)
                if self._trouble is not None:
                    raise self._trouble
                if records:
                    await self._apply(records)
                await self._go_where_it_is_wanted()
        finally:
            await asyncio.to_thread(self._consumer.close)

    def _poll(self) -> list[Record]:
        """What there is now, or the first that comes within half a second."""
        first = self._consumer.poll(0.5)
        if first is None:
            return []
        records = []
        for message in (first, *self._consumer.consume(MOST - 1, 0)):
            if error := message.error():
                if error.code() not in (KafkaError._PARTITION_EOF, KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
                    log.warning("consumer", error=error.str())
                continue
            records.append(to_record(message))
        return records

    async def _go_where_it_is_wanted(self) -> None:
        """Once a second: a person's wish to fold a part of the log again. Its rows are joins, and stay as they are."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + PROGRESS_LOOK
        progress = Progress(self._folding.pool, self._folding.topic_ids)
        try:
            wishes = (await progress.wanted([self._group])).get(self._group, {})
            mine = {place: wish for place, wish in wishes.items() if place in self._expected}
            if mine:
                await asyncio.to_thread(self._go, {place: wish.offset for place, wish in mine.items()})
                there = {p: Standing(wish.offset, wish.number, wish.reemit, "wanted") for p, wish in mine.items()}
                await progress.note(self._group, there)
        except (KafkaException, *AWAY) as error:  # to be tried again in a second
            log.warning("rewind", error=str(error) or type(error).__name__)

    def _go(self, offsets: Mapping[Place, int]) -> None:
        places = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        for place in places:
            self._consumer.seek(place)
        self._consumer.commit(offsets=places, asynchronous=False)
        log.info("reading from elsewhere", group=self._group, partitions=len(places), why="wanted")

    async def _apply(self, records: list[Record]) -> None:
        try:
            moved = await self._folding.apply(records, self._expected)
        except Moved:
            log.info("checkpoint moved by another projector: reading again from there")
            await self._read_again({(record.topic, record.partition) for record in records})
            return
        self._expected |= {place: max(end, self._expected.get(place) or 0) for place, end in moved.items()}
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in moved.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:  # the checkpoint counts; the group's offset is for people to see
            log.debug("commit", error=str(error))

    async def _read_again(self, places: Iterable[Place]) -> None:
        checkpoints = await self._folding.checkpoints()
        for topic, partition in places:
            self._expected[topic, partition] = checkpoint = checkpoints.get((topic, partition))
            await asyncio.to_thread(self._consumer.seek, TopicPartition(topic, partition, checkpoint or 0))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Called within poll, in its thread."""
        try:
            consumer.assign(self._starts(consumer, partitions))
        except Exception as error:  # noqa: BLE001  # raised again by run: librdkafka would swallow it here
            self._trouble = error

    def _starts(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The lower of group offset and checkpoint: a reset by any tool rewinds the tables, and a database that was
        restored from a backup catches up. The tables' rows are joins, so that reading again changes nothing else."""
        checkpoints = asyncio.run_coroutine_threadsafe(self._folding.checkpoints(), self._loop).result()
        committed = {(p.topic, p.partition): p.offset for p in consumer.committed(partitions, timeout=10)}
        starts = []
        for partition in partitions:
            place = (partition.topic, partition.partition)
            self._expected[place] = checkpoint = checkpoints.get(place)
            group = committed.get(place, OFFSET_INVALID)
            start = min(group, checkpoint or 0) if group >= 0 else checkpoint or 0
            low, _ = watermarks(consumer, partition)
            if start < low:
                raise LogTruncated(
                    f"{place[0]}/{place[1]} begins at {low}, and the tables need {start}: "
                    "the log was cut off; restore the topic, or fold the tables from what is left after a backup"
                )
            starts.append(TopicPartition(*place, start))
        return starts

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._expected.pop((partition.topic, partition.partition), None)
