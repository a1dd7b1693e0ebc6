"""The end of the log as it grows, for any number of readers: one consumer outside any group, one decoding a record."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Consumer, Message, TopicPartition

from schemas.event import Coordinates
from streams.cursor import Cursors, Offsets, Place, Reader, between, lowest_missing, names
from streams.kafka import Cluster, to_record
from streams.reading import LogScan
from streams.record import Record


class Event(Protocol):
    """What a record says."""

    @property
    def id(self) -> str:
        """The event's: two records of one event have the same."""


T = TypeVar("T", bound=Event)
S = TypeVar("S")

LOOK = 0.2  # seconds that the thread waits for a record before it looks whether it shall end
GATHER = 0.005  # and after the first one, for those that came with it
WAITING = 10_000  # records that wait for one reader: who is slower is cut off, and comes again with its cursor
REMEMBERED = 10_000  # events whose first place is known, so that none is told twice
MOST = 200_000  # offsets that a reader may be behind: more is some seconds of reading for each that comes back


class TooSlow(Exception):
    """The reader does not keep up. It may come again from where it is."""


class Behind(Exception):
    """What the reader has not had is gone, or too much of it."""


@dataclass
class Item(Generic[T]):
    """A record that some reader wants, what it says, and where a reader stands that has had it."""

    record: Record
    said: T
    offsets: Offsets
    cursors: Cursors

    @property
    def place(self) -> Place:
        return self.record.topic, self.record.partition

    @cached_property
    def cursor(self) -> str:
        """Written once for all who have it."""
        return self.cursors.write(self.offsets)


Wants = Callable[[T], bool]


class Tail(Generic[T]):
    """Follows topics. `start` it before use; `close` it after.

    Args:
        topics: name -> (UUID, partitions), as the broker has them.
        decode: what a record says; None: nothing that anybody wants.
    """

    def __init__(
        self, cluster: Cluster, topics: Mapping[str, tuple[str, int]], decode: Callable[[Record], T | None]
    ) -> None:  # fmt: skip
        self._cluster, self._decode = cluster, decode
        self._partitions = {name: count for name, (_, count) in topics.items()}
        self.cursors = Cursors(topics)
        self.next: dict[Place, int] = {}
        self._first: dict[str, Coordinates] = {}
        self._waiting: dict[object, tuple[Wants[T], deque[Item[T]], asyncio.Event]] = {}
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Stands at the log's end from now on.

        Raises:
            BrokerAway.
        """
        ends = await asyncio.to_thread(LogScan(self._cluster).ends, self._partitions)
        self.next = {place: high for place, (_, high) in ends.items()}
        self._thread = threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), name="tail", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        self._closing.set()
        for _, _, arrived in self._waiting.values():
            arrived.set()
        if self._thread:
            await asyncio.to_thread(self._thread.join)

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        consumer = Consumer(
            self._cluster.settings(
                {
                    "group.id": "chronos.tail",
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",  # what was removed meanwhile is passed over, what is there is not
                    "fetch.message.max.bytes": 8 * 1024 * 1024,
                }
            )
        )
        try:
            consumer.assign([TopicPartition(*place, offset) for place, offset in self.next.items()])
            while not self._closing.is_set():
                if first := consumer.poll(LOOK):
                    records = _records([first, *consumer.consume(500, GATHER)])
                    loop.call_soon_threadsafe(self._arrived, [record for record, _ in in_time(records)])
        finally:
            consumer.close()

    def _arrived(self, records: Iterable[Record]) -> None:
        for record in records:
            self.next[record.topic, record.partition] = record.offset + 1
            said = self._decode(record) if self._waiting else None
            if said is not None and not _again(self._first, said, record):
                self._hand_out(record, said)

    def _hand_out(self, record: Record, said: T) -> None:
        item: Item[T] | None = None
        for wants, waiting, arrived in self._waiting.values():
            if wants(said):
                item = item or Item(record, said, dict(self.next), self.cursors)
                waiting.append(item)
                arrived.set()

    @contextmanager
    def _subscribed(self, wants: Wants[T]) -> Iterator[tuple[deque[Item[T]], asyncio.Event]]:
        me, waiting, arrived = object(), deque[Item[T]](), asyncio.Event()
        self._waiting[me] = (wants, waiting, arrived)
        try:
            yield waiting, arrived
        finally:
            del self._waiting[me]

    async def follow(
        self, wants: Wants[T], start: Offsets | None, pause: float
    ) -> AsyncIterator[tuple[T | None, str]]:  # fmt: skip
        """What is wanted from a place of the log on (None: from now), for ever, each event once, with the cursor of who
        has had it. At the beginning, and after `pause` seconds in which nothing came: nothing, with the cursor of now.

        Raises:
            Behind, TooSlow, BrokerAway.
        """
        with self._subscribed(wants) as (waiting, arrived):
            joined = dict(self.next)
            reader = Reader(joined if start is None else start)
            first: dict[str, Coordinates] = {}  # what was read again, so that it is not told once more
            yield None, self.cursors.write(reader.next)
            if start is not None:
                async for record, said in self._missed(start, joined, wants, first):
                    if reader.takes((record.topic, record.partition), record.offset):
                        yield said, self.cursors.write(reader.next)
                reader.has_had(joined)
            while not self.closing:
                async for item in _drained(waiting, arrived, pause):
                    if item is None:
                        if not waiting:  # one may have come since
                            reader.has_had(self.next)
                        yield None, self.cursors.write(reader.next)
                    elif reader.takes(item.place, item.record.offset) and item.said.id not in first:
                        reader.has_had(item.offsets)
                        yield item.said, item.cursor if reader.next == item.offsets else self.cursors.write(reader.next)

    async def _missed(
        self, start: Offsets, until: Offsets, wants: Wants[T], first: dict[str, Coordinates]
    ) -> AsyncIterator[tuple[Record, T]]:  # fmt: skip
        """What is wanted of the log between two places, by its time, and not told elsewhere."""
        found: list[tuple[Record, T]] = []
        async for records in self._read_between(start, until):
            said = ((record, self._decode(record)) for record in records)
            found += [(record, one) for record, one in said if one is not None and wants(one)]
        for record, one in in_time(found):
            elsewhere = self._first.get(one.id)
            told = elsewhere is not None and not _is_between(elsewhere, start, until)
            if not (told or _again(first, one, record)):
                yield record, one

    async def _read_between(self, start: Offsets, until: Offsets) -> AsyncIterator[list[Record]]:
        """
        Raises:
            Behind, BrokerAway.
        """
        if not between(start, until):
            return
        scan = LogScan(self._cluster)
        ends = await asyncio.to_thread(scan.ends, self._partitions)
        if gone := lowest_missing(start, {place: low for place, (low, _) in ends.items()}):
            raise Behind(f"the log of {names(gone)} begins later than where this reader stands")
        if (missed := between(start, until)) > MOST:
            raise Behind(f"this reader is {missed:,} records behind; {MOST:,} are read again")
        batches = scan.read(until, start)
        while (records := await asyncio.to_thread(next, batches, None)) is not None:
            yield records


def _is_between(place: Coordinates, start: Offsets, until: Offsets) -> bool:
    """Whether a reader has to read it again: before, it had it, and what is behind comes from the tail."""
    at = (place.topic, place.partition)
    return start.get(at, 0) <= place.offset < until.get(at, 0)


def _again(first: dict[str, Coordinates], said: Event, record: Record) -> bool:
    """Whether it was said before, at another place: by a function that died between saying it and remembering that."""
    if len(first) >= REMEMBERED and said.id not in first:
        del first[next(iter(first))]
    return first.setdefault(said.id, record.coordinates()) != record.coordinates()


async def _drained(
    waiting: deque[Item[T]], arrived: asyncio.Event, pause: float
) -> AsyncIterator[Item[T] | None]:  # fmt: skip
    """What waits, once something does; None where nothing came for a while."""
    try:
        async with asyncio.timeout(pause):
            await arrived.wait()
    except TimeoutError:
        yield None
        return
    arrived.clear()
    while waiting:
        if len(waiting) > WAITING:
            raise TooSlow(f"more than {WAITING:,} records wait for this reader")
        yield waiting.popleft()


def in_time(records: Iterable[tuple[Record, S]]) -> Iterator[tuple[Record, S]]:
    """Records of several partitions by their time, those of one partition in their order."""
    by_place = sorted(records, key=lambda one: (one[0].topic, one[0].partition, one[0].offset))
    parts = [list(some) for _, some in groupby(by_place, lambda one: (one[0].topic, one[0].partition))]
    return heapq.merge(*parts, key=lambda one: one[0].timestamp_ms)


def _records(messages: Iterable[Message]) -> list[tuple[Record, None]]:
    """A broker that is away is waited for: librdkafka tells it as an error message, and goes on by itself."""
    return [(to_record(message), None) for message in messages if not message.error()]
