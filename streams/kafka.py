"""Kafka: where it is, the producer of this process, and the topics made from the table in code."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it is there

from schemas.event import Coordinates
from schemas.topics import Topic
from streams.record import Record
from streams.retry import Paced

log = structlog.get_logger()

QUIET = {"log_level": 0}  # librdkafka prints to stderr by itself; what matters reaches us as errors


Setting = str | int | float | bool


class BrokerAway(Exception):
    """No broker answered in time."""


class TopicsMissing(Exception):
    """Topics are not there, or are not as they should be. The remedy is `chronos topics --create`."""


class TooLarge(Exception):
    """The broker refuses the record for its size: a verdict, not a fault that passes."""


class DeliveryFailed(Paced):
    """The producer gave a record up. It is sent again with the next try of its run; no attempt is charged."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=5.0)


@dataclass(frozen=True)
class Cluster:
    """Where Kafka is, and how to speak to it: librdkafka's settings beside `bootstrap.servers`."""

    bootstrap: str
    security: Mapping[str, str] = field(default_factory=dict)

    def settings(self, more: Mapping[str, Setting]) -> dict[str, Setting]:
        return {"bootstrap.servers": self.bootstrap, **QUIET, **self.security, **more}


@dataclass(frozen=True)
class Stored:
    """Where a record was stored, and the time that the log gives it (ms): the broker's, on command topics."""

    place: Coordinates
    timestamp_ms: int


class Outbox:
    """The one producer of a process. Deliveries are awaited as futures of the event loop that made it.

    `patience`: seconds after which a record that no broker took is given up, for those who have somebody waiting for an
    answer. Without it, a broker that is away is waited for.
    """

    def __init__(self, cluster: Cluster, patience: float | None = None) -> None:
        self._producer = Producer(
            cluster.settings(
                {
                    "acks": "all",
                    "enable.idempotence": True,
                    "partitioner": "murmur2_random",  # librdkafka's own differs from Java's and aiokafka's
                    "compression.type": "zstd",
                    "linger.ms": 0,  # a request has one partition: what is said at once goes to others, and shares none
                    "message.max.bytes": 8 * 1024 * 1024,
                    "queue.buffering.max.kbytes": 512 * 1024,
                    "message.timeout.ms": 0,  # a broker that is away is waited for
                    **({} if patience is None else _hurried(patience)),
                }
            )
        )
        self._loop = asyncio.get_running_loop()
        self._reports: list[tuple[asyncio.Future[Stored], KafkaError | None, Stored | None]] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="outbox", daemon=True)
        self._thread.start()

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> asyncio.Future[Stored]:
        """Hands a record over. The future ends when all replicas have it.

        Raises (through the future):
            TooLarge: the broker will never take it.
            DeliveryFailed: anything else that librdkafka gives up on.
        """
        future: asyncio.Future[Stored] = self._loop.create_future()

        def report(error: KafkaError | None, message: Message) -> None:
            self._reports.append((future, error, None if error else _stored(message)))

        try:
            self._producer.produce(topic, value=value, key=key, headers=list(headers), on_delivery=report)
        except BufferError:
            self._loop.call_later(0.05, self._again, topic, key, value, headers, future)
        except KafkaException as error:
            future.set_exception(_condition(error.args[0]))
        return future

    def _again(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        waiting: asyncio.Future[Stored],
    ) -> None:
        """The buffer was full: another try, for the future that was given out already."""
        self.send(topic, key, value, headers).add_done_callback(lambda done: _hand_on(done, waiting))

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)
            if self._reports:
                reports, self._reports = self._reports, []
                self._loop.call_soon_threadsafe(_resolve, reports)

    async def close(self, within: float = 10.0) -> int:
        """Waits for what is under way; gives how many records were left behind."""
        left = await asyncio.to_thread(self._producer.flush, within)
        self._closing.set()
        await asyncio.to_thread(self._thread.join)
        _resolve(self._reports)
        return int(left)


def _hurried(patience: float) -> dict[str, Setting]:
    """A connection is tried anew once a second: with librdkafka's own 10 s, a broker that is back would be missed."""
    return {"message.timeout.ms": int(patience * 1000), "reconnect.backoff.max.ms": 1000}


def _resolve(reports: Iterable[tuple[asyncio.Future[Stored], KafkaError | None, Stored | None]]) -> None:
    for future, error, stored in reports:
        if future.done():
            continue
        if error is not None:
            future.set_exception(_condition(error))
        elif stored is not None:
            future.set_result(stored)


def _hand_on(done: asyncio.Future[Stored], waiting: asyncio.Future[Stored]) -> None:
    if waiting.done():
        return
    if error := done.exception():
        waiting.set_exception(error)
    else:
        waiting.set_result(done.result())


def _condition(error: KafkaError) -> Exception:
    if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE):
        return TooLarge(str(error))
    return DeliveryFailed(str(error))


def _stored(message: Message) -> Stored:
    place = Coordinates(topic=message.topic() or "", partition=message.partition() or 0, offset=message.offset() or 0)
    return Stored(place, message.timestamp()[1])


def partitions_of(key: bytes, first: int, now: int) -> set[int]:
    """Where records of a key stand in a topic that had `first` partitions once and has `now`: as the producer above and
    Java's choose."""
    from aiokafka.partitioner import murmur2  # with all of aiokafka: the server and the projection need no more of it

    return {(murmur2(key) & 0x7FFFFFFF) % count for count in range(min(first, now), now + 1)}


def to_record(message: Message) -> Record:
    """A consumed message of confluent-kafka as a record."""
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),  # type: ignore[arg-type]  # bytes, when nothing is deserialised
    )


class Topics:
    """The topics of a cluster, beside the table in code."""

    def __init__(self, cluster: Cluster) -> None:
        self._admin = AdminClient(cluster.settings({"socket.timeout.ms": 10_000}))
        self._bootstrap = cluster.bootstrap

    def brokers(self, timeout: float = 5.0) -> int:
        """How many brokers answer.

        Raises:
            BrokerAway: none did in time.
        """
        try:
            return len(self._admin.list_topics(timeout=timeout).brokers)
        except KafkaException as error:
            raise self._away(error) from error

    def create(self, table: Iterable[Topic]) -> list[str]:
        """Makes the topics that are missing, and gives their names."""
        replicas = 3 if self.brokers() >= 3 else 1
        new = [
            NewTopic(t.name, num_partitions=t.partitions, replication_factor=replicas, config=config_of(t, replicas))
            for t in table
        ]
        made = []
        for name, future in self._admin.create_topics(new).items():
            error = future.exception(30)
            if error is None:
                made.append(name)
            elif not _is(error, KafkaError.TOPIC_ALREADY_EXISTS):
                raise error
        if made:
            self._until_known(made)
        return made

    def _until_known(self, names: Sequence[str]) -> None:
        """The controller has made them. The brokers hear of it a moment later, and deny them until then."""
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ids(names)
            except TopicsMissing:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # there is nothing to wait on: a broker does not say when it has heard
            else:
                return

    def ids(self, names: Iterable[str]) -> dict[str, tuple[str, int]]:
        """The UUID and the number of partitions of each topic.

        Raises:
            BrokerAway: none answered in time.
            TopicsMissing: names those that are not there.
        """
        names = list(names)
        found, missing = {}, []
        for name, future in self._admin.describe_topics(TopicCollection(names)).items():
            try:
                described = future.result(10)
            except (KafkaException, TimeoutError) as error:
                if not _is(error, KafkaError.UNKNOWN_TOPIC_OR_PART):
                    raise self._away(error) from error
                missing.append(name)
                continue
            found[name] = (str(described.topic_id), len(described.partitions))
        if missing:
            raise TopicsMissing(f"topics are missing: {', '.join(sorted(missing))}; run `chronos topics --create`")
        return found

    def _away(self, error: KafkaException | TimeoutError) -> BrokerAway:
        said = "it was silent for too long" if isinstance(error, TimeoutError) else error.args[0].str()
        return BrokerAway(f"no broker answers at {self._bootstrap}: {said}")


def config_of(topic: Topic, replicas: int) -> dict[str, str]:
    """A topic's settings on a cluster that keeps so many copies."""
    safe = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"} if replicas >= 3 else {}
    return {**topic.config, **safe}


def _is(error: BaseException, code: int) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == code
