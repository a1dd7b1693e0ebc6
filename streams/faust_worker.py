"""Faust, made safe: one app a function, on a consumer of ours that commits only what is done.

Written against faust-streaming 0.15.3, whose own consumer commits past events in progress (its issue #606), acks stale
generations, and waits up to 1.5 s for a fetch. docs/decisions/ has the measurements.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import faust
import structlog
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from yarl import URL

from streams.continuity import Continuity
from streams.ledger import AckLedger
from streams.record import Record
from streams.runner import Runner

log = structlog.get_logger()

FETCH_WAIT_MS = 50
"""Faust's 1,500 stalls a consumer of several partitions for a second: one fetch is in flight, and it leaves out what
was not drained when it was sent. At 20, five idle consumers cost the broker 28 % of a core (measured)."""
ROOM_LOOK = 0.2  # seconds between looks whether a full runner has room again
QUIET = 30.0  # seconds between two lines of the same kind
BUFFER = 4096  # events between the consumer and the agent, which hands them on without waiting


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker's consumers behave.

    Args:
        session_timeout: seconds from a kill -9 to the moment when the group gives its partitions to others.
        drain: seconds for running work to end when partitions are let go; well under the rebalance timeout (60).
    """

    bootstrap: str
    security: Mapping[str, Any]
    session_timeout: float = 10.0
    heartbeat: float = 1.0
    commit_interval: float = 1.0
    drain: float = 20.0
    instance_id: str | None = None
    scratch: str = field(default_factory=tempfile.gettempdir)  # Faust wants a directory; it writes nothing there


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Also where there is no commit yet: aiokafka leaves such a partition where it is, behind records that Faust
        has thrown away."""
        committed: Mapping[TP, int] = await super().seek_to_committed()
        await self.call_thread(self._seek_to_start, [tp for tp, offset in committed.items() if not offset])
        return committed

    async def _seek_to_start(self, partitions: Iterable[TP]) -> None:
        consumer = self._ensure_consumer()
        for tp in partitions:
            consumer.seek(tp, 0)  # where the log begins later, it is read from there: `earliest`

    async def on_thread_stop(self) -> None:
        """With the broker away, aiokafka's own cancelled fetch comes out here, and the thread would die without saying
        that it has stopped: whoever stops it then waits for a minute (measured)."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            log.info("consumer stopped while the broker was away")


class SafeConsumer(driver.Consumer):
    """Commits the lowest offset that is not done, and lets partitions go only after their work."""

    runner: Runner
    drain: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ledger: AckLedger[TP] = AckLedger()
        self._continuity: Continuity[TP] = Continuity()
        super().__init__(*args, **kwargs)
        inner = self.callback

        async def deliver(message: Message) -> None:
            if message.generation_id != self.app.consumer_generation_id:
                return
            if self._continuity.admit(message.tp, message.offset):
                epoch = self.ledger.delivered(message.tp, message.offset)
                message.checksum = epoch  # type: ignore[assignment]  # a slot that Faust leaves alone
                await inner(message)

        self.callback = deliver  # _drain_messages takes it from here

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    def ack(self, message: Message) -> bool:
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self.ledger.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.ledger.committable(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps of the log were never delivered: the ledger has nothing to say of them."""

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109  # Faust's own
        """Fetches nothing while the runner is full, and goes back to what was left out. Here no batch is in hand: a
        partition that is paused in the middle of one loses the rest of it until the next restart, and a seek there is
        undone (measured)."""
        while self.runner.is_full() and not self.should_stop and self.flow_active:
            await self.sleep(ROOM_LOOK)
        if again := self._continuity.again():
            log.warning("records were left out: read again", group=self.app.conf.id,
                        places=[f"{tp.topic}/{tp.partition}@{offset}" for tp, offset in again.items()])  # fmt: skip
            await self.seek_wait({tp: offset for tp, offset in again.items() if tp in self.assignment()})
        async for one in super().getmany(timeout):
            yield one

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self.runner.let_go(self.drain)
        await self.commit()  # Faust drops finished acks before its own commit
        self._forget(revoked | set(self.ledger.partitions()))  # eager rebalances take all
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await super().on_partitions_assigned(assigned, generation_id)
        self.runner.reopen()

    async def perform_seek(self) -> None:
        """Everything is read again from what is committed: what is in hand belongs to an older epoch."""
        self._forget(set(self.ledger.partitions()))
        await super().perform_seek()
        for tp in self.assignment():
            self._continuity.begin(tp, self._read_offset[tp] or 0)

    def _forget(self, partitions: Iterable[TP]) -> None:
        for tp in partitions:
            self.ledger.forget(tp)
            self._continuity.forget(tp)


class SafeTransport(driver.Transport):
    Consumer = SafeConsumer


class FunctionApp(faust.App):
    """The Faust app of one function: it hands every record to the runner, which acks it when it is done."""

    def __init__(self, runner: Runner, group: str, topics: Iterable[str], settings: WorkerSettings) -> None:
        url = URL(f"kafka://{settings.bootstrap}")
        super().__init__(
            group,
            broker=str(url),
            store="memory://",
            datadir=settings.scratch,
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            key_serializer="raw",
            value_serializer="raw",
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=settings.instance_id,
            consumer_max_fetch_size=8 * 1024 * 1024,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=settings.heartbeat,
            broker_commit_interval=settings.commit_interval,
            broker_max_poll_interval=365 * 24 * 3600.0,  # client-side only: an idle member past it never rejoins
            stream_wait_empty=False,
            stream_buffer_maxsize=BUFFER,
            **settings.security,
        )
        self.transport = SafeTransport([url], self)
        self._runner, self._drain = runner, settings.drain
        topic = self.topic(*topics, key_serializer="raw", value_serializer="raw")
        self.agent(topic, name="take")(self._take)

    def _new_consumer(self) -> SafeConsumer:
        consumer: SafeConsumer = super()._new_consumer()  # type: ignore[assignment]  # our transport makes it
        consumer.runner, consumer.drain = self._runner, self._drain
        return consumer

    async def _take(self, stream: Any) -> None:
        ledger = self.consumer.ledger  # type: ignore[attr-defined]  # a SafeConsumer
        async for event in stream.noack().events():
            message = event.message
            done = partial(ledger.done, message.tp, message.offset, message.checksum)
            event.ack()  # Faust's own books; the ledger decides what is committed
            self._runner.submit(_record(message), done)


def _record(message: Message) -> Record:
    return Record(
        message.topic,
        message.partition,
        message.offset,
        int(message.timestamp * 1000),
        message.key,
        message.value,
        tuple(message.headers or ()),  # type: ignore[arg-type]  # pairs, as aiokafka gives them
    )


def assert_fast_faust() -> None:
    """Faust's Cython extension is there: without it an event costs several times as much.

    Raises:
        RuntimeError: with the remedy.
    """
    if find_spec("faust._cython.streams") is None:
        raise RuntimeError("faust-streaming was installed without its compiled part; install a wheel of it")


def quiet_faust() -> None:
    """Faust's and aiokafka's own chatter, down to what an operator must see, each line once in a while: a broker that
    is away gave 7,300 in 20 seconds (measured)."""
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, _NowAndThen) for one in handler.filters):
            handler.addFilter(_NowAndThen())


class _NowAndThen(logging.Filter):
    """Lets each line of other people's code through once in half a minute, without its trace."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._last.get(line, -QUIET) < QUIET:
            return False
        self._last[line] = now
        record.exc_info = record.exc_text = None
        return True
