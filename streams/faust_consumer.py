"""Faust's consumer, made safe: it commits only what is done, and reads from where the group should be.

Written against faust-streaming 0.15.3, whose own consumer commits past events in progress (its issue #606), acks stale
generations, and waits up to 1.5 s for a fetch. docs/decisions/ has the measurements.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import ConsumerStoppedError, IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from mode.threads import ServiceThread, WorkerThread

from streams.continuity import Continuity
from streams.journal import Rewind
from streams.ledger import AckLedger
from streams.postgres import AWAY
from streams.progress import Progress, Standing, Wish
from streams.record import Record
from streams.runner import Runner

log = structlog.get_logger()

LEFT_OUT_WAIT_MS = 20
IDLE_WAIT_MS = 250
"""How long the broker keeps a fetch while there is nothing. One fetch is in flight, and it leaves out partitions whose
records were not drained when it was sent: these wait for its end, which took Faust's 1,500 for more than a second. One
that leaves out nothing is answered with the first record, however long it may wait; at 20, five idle consumers cost the
broker 28 % of a core (measured). It is no second, since who is to read from elsewhere waits for it too."""
THREAD_END = 10.0  # seconds for a consumer's thread to end once its consumer has
TURN = 20  # records in a row: more would hold up what runs; they take some 100 us each
ROOM_LOOK = 0.2  # seconds between looks whether a full runner has room again, or the database is back


class _DaemonThread(WorkerThread):
    """The process may end without it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True


def wait_by_need(fetcher: Any) -> None:
    """Has each fetch of aiokafka's wait for as long as it does no harm."""
    actions = fetcher._get_actions_per_node

    def actions_in_time(assignment: Any) -> Any:
        fetcher._fetch_max_wait_ms = LEFT_OUT_WAIT_MS if fetcher._records else IDLE_WAIT_MS
        return actions(assignment)

    fetcher._get_actions_per_node = actions_in_time


class _Thread(driver.AIOKafkaConsumerThread):
    Worker = _DaemonThread

    async def on_start(self) -> None:
        await super().on_start()
        wait_by_need(self._ensure_consumer()._fetcher)

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

    async def stop(self) -> None:
        """mode's own blocks the event loop until the thread has ended, without a limit: a worker hung at its SIGTERM in
        the middle of a rebalance (seen once in some sixty stops). By now all is committed and given back."""
        if not self._started.is_set():
            return
        await super(ServiceThread, self).stop()
        if self._thread is not None and not await asyncio.to_thread(self._thread.is_stopped.wait, THREAD_END):
            log.warning("the consumer's thread has not ended: left behind", group=self.app.conf.id)

    async def on_thread_stop(self) -> None:
        """With the broker away, aiokafka's own cancelled fetch comes out here, and the thread would die without saying
        that it has stopped: whoever stops it then waits for a minute (measured)."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            log.info("consumer stopped while the broker was away")


class SafeConsumer(driver.Consumer):
    """Commits the lowest offset that is not done, and lets partitions go only after their work.

    Nothing is delivered before it knows where it stands in the journal: see `streams.progress`.
    """

    runner: Runner
    progress: Progress
    drain: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ledger: AckLedger[TP] = AckLedger()
        self.standings: dict[TP, Standing] = {}
        self._continuity: Continuity[TP] = Continuity()
        self._wanted = False
        self._rebalances = 0  # begun: what is done about an assignment holds while this stays the same
        self._leaving = False  # partitions are being let go, or were, and new ones are not given yet
        self._moved: dict[TP, int] = {}  # committed, and not noted yet
        super().__init__(*args, **kwargs)

    @property
    def group(self) -> str:
        return str(self.app.conf.id)

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's own makes two tasks and an event for each record, since its streams may have it wait. The runner
        never does."""
        taken = 0
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)  # a partition that is full of records must not hold up what runs
                async for _, message in self.getmany(timeout=1.0):
                    self.take(message)
                    taken += 1
                    if not taken % TURN:
                        await asyncio.sleep(0)  # the same, within one fetch
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    def take(self, message: Message) -> None:
        """Hands a record to the runner, unless it is not ours any more, or others before it are missing."""
        tp = message.tp
        if message.generation_id != self.app.consumer_generation_id or tp not in self.standings:
            return
        if self._continuity.admit(tp, message.offset):
            done = partial(self.ledger.done, tp, message.offset, self.ledger.delivered(tp, message.offset))
            standing = self.standings[tp]
            self.runner.submit(_record(message), done, Rewind(standing.number, standing.reemit))

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self.ledger.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.ledger.committable(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps of the log were never delivered: the ledger has nothing to say of them."""

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        done: bool = await super()._commit(offsets)
        if done:
            self._moved |= offsets
        return done

    async def note_progress(self) -> None:
        """Writes down what was committed. Raises when the database is away: what was committed is kept until then."""
        moved = {tp: offset for tp, offset in self._moved.items() if tp in self.standings}
        if moved:
            numbers = {tp: self.standings[tp].number for tp in moved}
            await self.progress.moved(self.group, moved, numbers)
            self._moved = {tp: offset for tp, offset in self._moved.items() if moved.get(tp) != offset}

    def look_for(self, wishes: Mapping[tuple[str, int], Wish]) -> None:
        """Wishes of people for this group: where one concerns us, the next fetch goes there first."""
        here: dict[tuple[str, int], int] = {tp: standing.number for tp, standing in self.standings.items()}
        self._wanted = any(wish.number > here.get(place, wish.number) for place, wish in wishes.items())

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109  # Faust's own
        """Fetches nothing while the runner is full, and goes where it should be. Here no batch is in hand: a partition
        that is paused in the middle of one loses the rest of it until the next restart, and a seek there is undone
        (measured)."""
        while self.runner.is_full() and not (self._wanted or self.should_stop) and self.flow_active:
            await self.sleep(ROOM_LOOK)
        if self._wanted and not self._leaving:
            await self._let_go_and_read_again()
        if self.flow_active and self.assignment() - self.standings.keys() and not await self._stand():
            await self.sleep(ROOM_LOOK)
            return
        if again := self._continuity.again():
            log.warning("records were left out: read again", group=self.group,
                        places=[f"{tp.topic}/{tp.partition}@{offset}" for tp, offset in again.items()])  # fmt: skip
            await self.seek_wait({tp: offset for tp, offset in again.items() if tp in self.assignment()})
        async for one in super().getmany(timeout):
            yield one

    async def _let_go_and_read_again(self) -> None:
        """Somebody wants us elsewhere: what runs ends first, in bounded time; what waits is read again."""
        self._wanted = False
        log.info("rewind: letting go", group=self.group)
        await self.runner.let_go(self.drain)
        await self.commit()
        self._forget(set(self.ledger.partitions()) | self.assignment())

    async def _stand(self) -> bool:
        """Goes to where the group stands, and tells the broker before the journal: a wish that was not noted as
        fulfilled is fulfilled once more. False: not possible now, to be tried again.

        A rebalance may come at each await. It is not made to wait, since the database may be away: what was begun for
        the older assignment is given up.
        """
        if self._leaving:
            return False
        rebalances = self._rebalances
        self._forget(self.assignment())
        try:
            committed = await self.seek_to_committed()
            asked = {tp: committed.get(tp) for tp in self.assignment()}
            standings = await self.progress.stand(self.group, asked)
            starts = {tp: standing.offset or 0 for tp, standing in standings.items()}
            await self.seek_wait(starts)
            elsewhere = {tp: starts[tp] for tp, offset in asked.items() if standings[tp].offset != offset}
            if elsewhere and not await self._commit(elsewhere):
                return False
            if rebalances != self._rebalances or starts.keys() != self.assignment():
                return False  # what was committed may not have been ours to move
            await self.progress.note(self.group, standings)
        except (IllegalStateError, AssertionError):  # aiokafka: partitions were taken away meanwhile
            return False
        except AWAY as error:
            log.warning("database away", error=str(error) or type(error).__name__)
            return False
        if rebalances != self._rebalances:
            return False
        for tp, offset in starts.items():
            self._committed_offset[tp] = None
            self._continuity.begin(tp, offset)
        self._moved = {}
        self.standings = dict(standings)
        self._say_where(standings)
        self.runner.reopen()
        return True

    def _say_where(self, standings: Mapping[TP, Standing]) -> None:
        for tp, standing in standings.items():
            if standing.how not in ("new", "same"):
                log.info("reading from elsewhere", group=self.group, partition=f"{tp.topic}/{tp.partition}",
                         offset=standing.offset, rewind=standing.number, why=standing.how)  # fmt: skip

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._leaving, self._rebalances = True, self._rebalances + 1
        await self.runner.let_go(self.drain)
        await self.commit()  # Faust drops finished acks before its own commit
        self._forget(revoked | set(self.ledger.partitions()))  # eager rebalances take all
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._rebalances += 1
        await super().on_partitions_assigned(assigned, generation_id)
        self._leaving = False
        self.runner.reopen()

    async def perform_seek(self) -> None:
        """Everything is read again from what is committed: what is in hand belongs to an older epoch."""
        self._forget(set(self.ledger.partitions()) | self.standings.keys())
        await super().perform_seek()

    def _forget(self, partitions: Iterable[TP]) -> None:
        for tp in partitions:
            self.ledger.forget(tp)
            self._continuity.forget(tp)
            self.standings.pop(tp, None)


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


class SafeTransport(driver.Transport):
    Consumer = SafeConsumer
