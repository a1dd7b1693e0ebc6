"""A process at work: any number of functions, their consumers, and the housekeeping that they share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from schemas.catalogue import CATALOGUE
from schemas.event import Event
from schemas.topics import TOPICS
from streams.alone import Company
from streams.attempt import Workplace
from streams.budgets import Budgets
from streams.chosen import Again, Chosen, Submit
from streams.codec import Codec
from streams.faust_worker import FunctionApp, WorkerSettings, assert_fast_faust, quiet_faust
from streams.journal import Journal, Rewind, prepare
from streams.kafka import Cluster, Outbox, Topics
from streams.paying import Till
from streams.postgres import AWAY, Pool, patiently
from streams.progress import Progress, Wish
from streams.providers import Providers
from streams.purchases import Purchases
from streams.reading import LogReader, LogScan
from streams.record import Record
from streams.runner import Runner
from streams.stage import Function, PaidCall
from streams.sweep import sweep
from streams.watchdog import Watchdog

log = structlog.get_logger()

PROGRESS_LOOK = 1.0  # seconds: as long as a rewind may wait to be seen
LANDING = 5.0  # seconds for answers that come with the last of the drain to be written
CRASH_PAUSE = 1.0  # seconds before a consumer that crashed is made anew


class JournalLost(Exception):
    """The journal is empty while the log holds facts: all would be paid for again."""


class JournalReplaced(Exception):
    """The journal under a running worker is another one than that with which it began."""


@dataclass(frozen=True)
class Staff:
    """A function with what it needs to work."""

    function: Function
    ports: Mapping[str, object]
    settings: str  # what shapes its result beside its version


class Worker:
    """Runs functions until it is told to stop; then gives everything back within `drain` seconds."""

    def __init__(
        self,
        staff: Iterable[Staff],
        *,
        cluster: Cluster,
        pool: Pool,
        consumers: WorkerSettings,
        lease: float = 60.0,
        parallel_calls: int = 16,
        max_wait: float = 24 * 3600.0,
    ) -> None:
        self._staff, self._cluster, self._consumers = list(staff), cluster, consumers
        self._pool, self._lease, self._max_wait = pool, lease, max_wait
        self._journal = Journal(pool, lease=lease)
        self._purchases = Purchases(pool, lease=lease)
        self._till = Till(self._purchases, Providers(pool), asyncio.Semaphore(parallel_calls), Budgets(pool))
        self._company = Company()
        self._runners: list[Runner] = []

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Works until `stop` is set.

        Raises:
            TopicsMissing, BrokerAway: at the start; nothing was begun.
            TopicReplaced: at the start, with the remedy.
            JournalReplaced: while it worked.
        """
        assert_fast_faust()
        quiet_faust()
        ids = await asyncio.to_thread(Topics(self._cluster).ids, TOPICS)
        await prepare(self._pool)
        self._progress, self._chosen = Progress(self._pool, ids), Chosen(self._pool, ids)
        await self._progress.check(staff.function.group() for staff in self._staff)
        self._identity = await self._journal.identity()
        await self._refuse_an_empty_journal({name: count for name, (_, count) in ids.items()})
        outbox = Outbox(self._cluster)
        codec = Codec({name: topic_id for name, (topic_id, _) in ids.items()})
        try:
            await self._work(outbox, codec, stop, ready)
        finally:
            left = await outbox.close()
            if left:
                log.warning("records left in the producer", count=left)

    def waiting(self) -> int:
        """Records that wait for a turn, in all functions."""
        return sum(runner.waiting for runner in self._runners)

    async def _work(self, outbox: Outbox, codec: Codec, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Consumers and housekeeping side by side; the first that fails ends all."""
        apps = []
        for staff in self._staff:
            runner = Runner(self._workplace(staff, outbox, codec), self._company)
            self._runners.append(runner)
            again = Again(staff.function.group(), _resubmit(runner), self._chosen, LogReader(self._cluster))
            apps.append(_App(staff.function, runner, self._progress, again, self._consumers))
        await asyncio.gather(*(app.start() for app in apps))
        ready()
        chores = [app.supervise() for app in apps]
        chores += [
            self._every(self._lease / 3, self._housekeeping),
            self._every(30.0, lambda: sweep(self._purchases, outbox)),
            self._every(60.0, self._journal.prune),
            Watchdog(self._lease).run(),
        ]
        chores += [self._every(PROGRESS_LOOK, partial(self._look_at_progress, app)) for app in apps]
        tasks = [asyncio.create_task(chore) for chore in chores]
        tasks.append(asyncio.create_task(_until(stop)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._stop(apps, tasks)

    async def _stop(self, apps: list[_App], tasks: list[asyncio.Task[None]]) -> None:
        """First the flag for all, since consumers stop one after another and the next would keep taking. Runs and paid
        calls end within the same seconds: a provider that hangs must not have the worker killed for taking them twice.
        """
        end = time.monotonic() + self._consumers.drain
        for runner in self._runners:
            runner.close()
        await asyncio.gather(*(runner.let_go(self._consumers.drain) for runner in self._runners))
        await self._till.land(max(LANDING, end - time.monotonic()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(app.stop() for app in apps), return_exceptions=True)
        with suppress(*AWAY):
            for app in apps:
                await app.note_progress()

    async def _refuse_an_empty_journal(self, partitions: Mapping[str, int]) -> None:
        if not await self._journal.is_empty():
            return
        paid = [name for name, event in CATALOGUE.items() if event.paid_keys is not Event.paid_keys]
        ends = await asyncio.to_thread(LogScan(self._cluster).ends, {name: partitions[name] for name in paid})
        if any(high > low for low, high in ends.values()):
            raise JournalLost(
                "the journal is empty while the log holds paid results, which would be bought again: "
                "run `chronos journal rebuild` first"
            )

    def _workplace(self, staff: Staff, outbox: Outbox, codec: Codec) -> Workplace:
        fingerprint = staff.function.fingerprint(staff.settings)
        paid = [port for port in staff.ports.values() if isinstance(port, PaidCall)]
        gates = [self._till.providers.gate(call) for call in paid]
        return Workplace(
            staff.function, fingerprint, staff.ports, self._journal, self._till, outbox, codec, gates, self._max_wait
        )  # fmt: skip

    async def _look_at_progress(self, app: _App) -> None:
        """Notes what was committed, and looks whether a person wants a group elsewhere. For each function alone: to
        read what was chosen may take long, and no other function must wait for it."""
        await app.note_progress()
        app.look_for((await self._progress.wanted([app.group])).get(app.group, {}))
        await app.again.look((await self._chosen.open([app.group])).get(app.group, []), app.standings())

    async def _housekeeping(self) -> None:
        await self._journal.renew()
        await self._purchases.renew()
        if await self._journal.identity() != self._identity:
            raise JournalReplaced("the journal was replaced while this worker ran; start it again")

    @staticmethod
    async def _every(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await patiently(chore)


def _resubmit(runner: Runner) -> Submit:
    """What is processed again waits behind live work."""

    def submit(record: Record, ack: Callable[[], object], rewind: Rewind) -> Callable[[], bool]:
        job = runner.submit(record, ack, rewind, behind=True)
        return lambda: runner.has(job)

    return submit


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


class _App:
    """A function's consumer, made anew when it crashes (a broker that was away for long, say)."""

    def __init__(
        self, function: Function, runner: Runner, progress: Progress, again: Again, settings: WorkerSettings
    ) -> None:
        self._function, self._runner, self._progress, self._settings = function, runner, progress, settings
        self.group, self.again = function.group(), again
        self._app = self._new()

    def _new(self) -> FunctionApp:
        topics = [event.name for event in self._function.consumes]
        return FunctionApp(self._runner, self._progress, self.group, topics, self._settings)

    async def note_progress(self) -> None:
        await self._app.safe_consumer().note_progress()

    def standings(self) -> Collection[tuple[str, int]]:
        """The partitions that are ours."""
        return self._app.safe_consumer().standings.keys()

    def look_for(self, wishes: Mapping[tuple[str, int], Wish]) -> None:
        self._app.safe_consumer().look_for(wishes)

    async def start(self) -> None:
        await self._app.start()

    async def stop(self) -> None:
        await self._app.stop()

    async def supervise(self) -> None:
        while True:
            await self._app._wait_stopped()  # stopped, or crashed: mode has no public wait for both
            log.error("consumer crashed", function=self._function.name, error=repr(self._app.crash_reason))
            await self._runner.let_go(self._settings.drain)
            await self._app.stop()
            await asyncio.sleep(CRASH_PAUSE)
            self._app = self._new()
            self._runner.reopen()
            await self._app.start()
