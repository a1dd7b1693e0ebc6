"""A member of the projection's group: reads from where both group and checkpoint allow, and has it folded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.kafka import BrokerAway, Cluster, to_record
from streams.postgres import AWAY, NoTable
from streams.progress import Progress, Standing
from streams.projector import Folding, Moved, Place
from streams.reading import watermarks
from streams.record import Record

log = structlog.get_logger()

PROGRESS_LOOK = 1.0  # seconds: as long as a rewind may wait to be seen
BEGIN = 5.0  # seconds for the database to say where to begin; then the consumer is polled, and asks again
GATHER = 0.01  # seconds for a transaction's records to come, once there are many: it is a dozen statements for each few
MANY = 20  # records in the transaction before; fewer are folded at once, so that a video alone waits for nothing
MOST = 500  # records a transaction: below 100 the commits cost more than the rows; above 1,000 a reader waits for locks


class LogTruncated(Exception):
    """The log no longer holds an offset that the tables need next."""


class Projector:
    """A member of the projection's group: reads its partitions and folds them until it is told to stop."""

    def __init__(self, folding: Folding, cluster: Cluster, group: str, *, session_timeout: float = 10.0) -> None:
        self._folding, self._group = folding, group
        self._new: set[Place] = set()  # ours, and nothing is fetched of them before it is known where they begin
        self._expected: dict[Place, int | None] = {}  # of the others
        self._next_look = 0.0
        self._last = 0  # records in the last batch
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
                if records := await asyncio.to_thread(self._poll):
                    await self._apply(records)
                await self._go_where_it_is_wanted()
                if self._new:
                    await self._begin()
        finally:
            await asyncio.to_thread(self._consumer.close)

    def _poll(self) -> list[Record]:
        """What there is now, or the first that comes within half a second. While there is much, it gathers."""
        first = self._consumer.poll(0.5)
        gather, self._last = GATHER if self._last >= MANY else 0, 0
        if first is None:
            return []
        records = []
        for message in (first, *self._consumer.consume(MOST - 1, gather)):
            if error := message.error():
                if error.code() not in (KafkaError._PARTITION_EOF, KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
                    log.warning("consumer", error=error.str())
                continue
            records.append(to_record(message))
        self._last = len(records)
        return records

    async def _go_where_it_is_wanted(self) -> None:
        """Once a second: a person's wish to fold a part of the log again. Its rows are joins, and stay as they are."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + PROGRESS_LOOK
        progress = Progress(self._folding.pool, self._folding.topic_ids)
        try:
            wishes = (await progress.wanted([self._group])).get(self._group, {})
            mine = {place: wish for place, wish in wishes.items() if place in self._expected or place in self._new}
            if mine:
                self._halt(mine)
                offsets = [TopicPartition(*place, wish.offset) for place, wish in mine.items()]
                await asyncio.to_thread(self._consumer.commit, offsets=offsets, asynchronous=False)
                there = {p: Standing(wish.offset, wish.number, wish.reemit, "wanted") for p, wish in mine.items()}
                await progress.note(self._group, there)
                log.info("reading from elsewhere", group=self._group, partitions=len(mine), why="wanted")
        except (KafkaException, NoTable, *AWAY) as error:  # to be tried again in a second; a journal may be lost
            log.warning("rewind", error=str(error) or type(error).__name__)

    async def _apply(self, records: list[Record]) -> None:
        try:
            moved = await self._folding.apply(records, self._expected)
        except Moved:
            log.info("checkpoint moved by another projector: reading again from there")
            self._halt({(record.topic, record.partition) for record in records} & self._expected.keys())
            return
        mine = {place: end for place, end in moved.items() if place in self._expected}  # the rest was just lost
        self._expected |= {place: max(end, self._expected[place] or 0) for place, end in mine.items()}
        offsets = [TopicPartition(*place, end) for place, end in mine.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:  # the checkpoint counts; the group's offset is for people to see
            log.debug("commit", error=str(error))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Called within poll, in its thread: nothing that may take long, since a consumer that is not polled leaves its
        group."""
        consumer.assign([TopicPartition(partition.topic, partition.partition, 0) for partition in partitions])
        self._halt((partition.topic, partition.partition) for partition in partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._new.discard((partition.topic, partition.partition))
            self._expected.pop((partition.topic, partition.partition), None)

    def _halt(self, places: Iterable[Place]) -> None:
        """Fetches nothing more of them, before `_begin` has said from where."""
        halted = set(places)
        self._consumer.pause([TopicPartition(*place) for place in halted])
        self._new |= halted
        for place in halted:
            self._expected.pop(place, None)

    async def _begin(self) -> None:
        """Has the new partitions begin. What cannot begin now does so after the next poll."""
        try:
            async with asyncio.timeout(BEGIN):
                checkpoints = await self._folding.checkpoints()
            begun = await asyncio.to_thread(self._seek, checkpoints)
        except (KafkaException, BrokerAway, *AWAY) as error:
            log.warning("not begun yet", group=self._group, error=str(error) or type(error).__name__)
            return
        self._new -= begun
        self._expected |= {place: checkpoints.get(place) for place in begun}
        self._consumer.resume([TopicPartition(*place) for place in begun])

    def _seek(self, checkpoints: Mapping[Place, int]) -> set[Place]:
        """Gives the partitions that are where they should be: not those that the consumer has not taken up yet."""
        begun = set()
        for place, start in self._starts(checkpoints).items():
            try:
                self._consumer.seek(TopicPartition(*place, start))
            except KafkaException as error:
                log.debug("seek", place=place, error=str(error))
            else:
                begun.add(place)
        return begun

    def _starts(self, checkpoints: Mapping[Place, int]) -> dict[Place, int]:
        """The lower of group offset and checkpoint: a reset by any tool rewinds the tables, and a database that was
        restored from a backup catches up. The tables' rows are joins, so that reading again changes nothing else."""
        asked = [TopicPartition(*place) for place in sorted(self._new)]
        starts = {}
        for partition in self._consumer.committed(asked, timeout=10):
            place = (partition.topic, partition.partition)
            start = checkpoints.get(place, 0)
            if partition.offset >= 0:  # else it has committed nothing there
                start = min(start, partition.offset)
            low, _ = watermarks(self._consumer, partition)
            if start < low:
                raise LogTruncated(
                    f"{place[0]}/{place[1]} begins at {low}, and the tables need {start}: "
                    "the log was cut off; restore the topic, or fold the tables from what is left after a backup"
                )
            starts[place] = start
        return starts
