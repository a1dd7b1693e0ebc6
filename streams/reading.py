"""Reads of the log outside any group: single records by their place, and whole topics from their beginning."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.event import Coordinates
from streams.kafka import BrokerAway, Cluster, to_record
from streams.record import Record

Place = tuple[str, int]  # topic, partition


def watermarks(consumer: Consumer, place: TopicPartition, patience: float = 15.0) -> tuple[int, int]:
    """First and next offset of a partition. A topic that was just made, or has just moved, is waited for.

    Raises:
        BrokerAway: no answer within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=5)
            return low, high
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise BrokerAway(f"{place.topic}/{place.partition}: {error.args[0].str()}") from error
            time.sleep(0.1)


def committed(cluster: Cluster, group: str, places: Iterable[Place], patience: float = 15.0) -> dict[Place, int]:
    """What a group has committed, without being a member of it. Blocks.

    A coordinator that has just started or moved is waited for. A consumer is asked, and not the admin client: that one
    kills its process when it asks such a coordinator (measured, confluent-kafka's list_consumer_group_offsets).

    Raises:
        BrokerAway: no answer within `patience` seconds.
    """
    consumer = Consumer(cluster.settings({"group.id": group, "enable.auto.commit": False}))
    asked = [TopicPartition(*place) for place in places]
    deadline = time.monotonic() + patience
    try:
        while True:
            try:
                found = consumer.committed(asked, timeout=5)
                return {(p.topic, p.partition): p.offset for p in found if p.offset >= 0}
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise BrokerAway(f"no offsets of group {group}: {error.args[0].str()}") from error
                time.sleep(0.1)
    finally:
        consumer.close()


def place_outside(cluster: Cluster, group: str, offsets: Mapping[Place, int]) -> bool:
    """Commits offsets for a group that has no members. False: it has some, and nothing was changed. Blocks.

    Raises:
        BrokerAway: no answer.
    """
    consumer = Consumer(cluster.settings({"group.id": group, "enable.auto.commit": False}))
    try:
        consumer.commit(
            offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()], asynchronous=False
        )
    except KafkaException as error:
        if error.args[0].code() in LIVE:
            return False
        raise BrokerAway(f"offsets of group {group}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return True


LIVE = (
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
)
"""What a broker answers to a commit from outside, where a group has members."""


def offsets_at(cluster: Cluster, places: Iterable[Place], moment_ms: int) -> dict[Place, int]:
    """The first offset of each partition that was written then or later; where there is none, it is left out. Blocks.

    Raises:
        BrokerAway: no answer.
    """
    consumer = Consumer(cluster.settings({"group.id": "chronos.scan", "enable.auto.commit": False}))
    try:
        found = consumer.offsets_for_times([TopicPartition(*place, moment_ms) for place in places], timeout=15)
    except KafkaException as error:
        raise BrokerAway(f"offsets by time: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return {(p.topic, p.partition): p.offset for p in found if p.offset >= 0}


def oldest(cluster: Cluster, places: Iterable[Coordinates], patience: float = 2.0) -> int | None:
    """When the oldest was written (ms) of the records that stand at places of different partitions, as far as that can
    be seen in time; None where none was. Blocks. All are asked for at once: one after the other takes 0.4 s each."""
    consumer = _reader(cluster, fetch_bytes=1024)
    left = {(place.topic, place.partition): place.offset for place in places}
    found: list[int] = []
    deadline = time.monotonic() + patience
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in left.items()])
        while left and time.monotonic() < deadline:
            for message in consumer.consume(len(left), 0.05):
                place, error = (message.topic() or "", message.partition() or 0), message.error()
                if place not in left or (error and error.code() not in NOT_THERE):
                    continue
                if not error:
                    found.append(message.timestamp()[1])
                del left[place]
                consumer.pause([TopicPartition(*place)])
    finally:
        consumer.close()
    return min(found, default=None)


def _reader(cluster: Cluster, *, fetch_bytes: int) -> Consumer:
    """Reads at given places, and says where nothing stands."""
    return Consumer(
        cluster.settings({
            "group.id": "chronos.reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": fetch_bytes,
        })
    )  # fmt: skip


NOT_THERE = (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


class LogReader:
    """Reads records at given places, outside any group."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def at(self, place: Coordinates) -> Record | None:
        """The record that stands exactly there; None if there is none. Blocks.

        Raises:
            BrokerAway: no answer.
        """
        return self.all_at([place])[place]

    def all_at(self, places: Sequence[Coordinates], timeout: float = 10.0) -> dict[Coordinates, Record | None]:
        """The records that stand exactly there; None where there is none. Blocks.

        Raises:
            BrokerAway: no answer about one of them within `timeout` seconds.
        """
        if not places:
            return {}
        consumer = _reader(self._cluster, fetch_bytes=8 * 1024 * 1024)
        try:
            return {place: self._at(consumer, place, timeout) for place in places}
        finally:
            consumer.close()

    @staticmethod
    def _at(consumer: Consumer, place: Coordinates, timeout: float) -> Record | None:
        consumer.assign([TopicPartition(place.topic, place.partition, place.offset)])
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if error := message.error():
                if error.code() in NOT_THERE:
                    return None
                continue  # it may come back before the deadline
            return to_record(message) if message.offset() == place.offset else None
        raise BrokerAway(f"no answer about {place.topic}/{place.partition}@{place.offset} in {timeout:.0f} s")


class LogScan:
    """Reads topics from their beginning up to given offsets, once, outside any group."""

    def __init__(self, cluster: Cluster, most: int = 1_000) -> None:
        self._cluster, self._most = cluster, most

    def ends(self, partitions: Mapping[str, int]) -> dict[Place, tuple[int, int]]:
        """First and next offset of each partition of the topics (name -> partitions). Blocks."""
        return self.ends_of((topic, partition) for topic, count in partitions.items() for partition in range(count))

    def ends_of(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """First and next offset of each place. Blocks."""
        consumer = self._consumer()
        try:
            return {place: watermarks(consumer, TopicPartition(*place)) for place in places}
        finally:
            consumer.close()

    def read(self, until: Mapping[Place, int], begins: Mapping[Place, int]) -> Iterator[list[Record]]:
        """Batches of records of all partitions below their `until`. Blocks.

        Raises:
            BrokerAway: nothing came for half a minute.
        """
        left = {place: end for place, end in until.items() if end > begins.get(place, 0)}
        rest = sum(end - begins.get(place, 0) for place, end in left.items())
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(*place, begins.get(place, 0)) for place in left])
            while left:
                messages = self._batch(consumer, rest)
                for message in messages:
                    place, read = (message.topic() or "", message.partition() or 0), _read_up_to(message)
                    if place in left and read >= left[place]:
                        del left[place]
                        consumer.pause([TopicPartition(*place)])
                records = [to_record(message) for message in messages if not message.error()]
                rest -= len(records)
                yield [r for r in records if r.offset < until[r.topic, r.partition]]
        finally:
            consumer.close()

    def _batch(self, consumer: Consumer, rest: int) -> list[Message]:
        """Records, and ends of partitions. Who asks for more than the rest waits for what does not come."""
        most = min(self._most, max(1, rest))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            messages = consumer.consume(most, 0.2)
            if said := [message for message in messages if not (error := message.error()) or _is_end(error)]:
                return said
        raise BrokerAway(f"the broker at {self._cluster.bootstrap} sent nothing for 30 s")

    def _consumer(self) -> Consumer:
        return Consumer(
            self._cluster.settings(
                {
                    "group.id": "chronos.scan",
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                    "fetch.message.max.bytes": 8 * 1024 * 1024,
                }
            )
        )


def _is_end(error: KafkaError) -> bool:
    return bool(error.code() == KafkaError._PARTITION_EOF)


def _read_up_to(message: Message) -> int:
    """The offset before which its partition is read. The last ones may hold no record: what a transaction left, or what
    was compacted; then the partition's end says how far it is."""
    return (message.offset() or 0) + (0 if message.error() else 1)
