"""A function at work in this process: takes its records, shares out turns among creators, acks what is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Set
from dataclasses import dataclass, field

import structlog

from schemas.avro import Undecodable
from streams import metrics
from streams.alone import Company
from streams.attempt import Workplace, process
from streams.codec import Received
from streams.deadletter import dead_letter
from streams.journal import NO_REWIND, Rewind
from streams.kafka import DeliveryFailed
from streams.lanes import Lanes
from streams.record import Record
from streams.turn import Acked, Alone, Aside, Outcome, Rest

log = structlog.get_logger()

MOST_WAITING = 200_000  # records; above, nothing more is fetched: 100,000 waiting videos took 47 MB (measured)
MOST_BYTES = 256 * 1024 * 1024
GIVING_BACK = 5.0  # seconds for a worker that stops; its supervisor kills it after some
MOST_LOOKED_UP = 2_000  # records a query: below 500 a restart over finished work is slow, above 5,000 others wait


@dataclass(eq=False)
class Job:
    """A record in this worker's hands."""

    record: Record
    ack: Callable[[], object]
    rewind: Rewind = NO_REWIND
    behind: bool = False  # reprocessing: after everybody's live work
    lane: str = ""
    received: Received | None = field(default=None, repr=False)  # while it is submitted; what waits costs bytes only
    dropped: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Runner:
    """Never blocks who hands it records: what cannot start yet waits here as raw bytes."""

    def __init__(self, work: Workplace, company: Company, *, most_at_once: int = 100) -> None:
        self._work, self._company = work, company
        self._unseen: list[tuple[str, Job]] = []  # records that wait, not looked up yet, by the id of their event
        self._looking: asyncio.Task[None] | None = None
        self._refill: asyncio.TimerHandle | None = None
        self._lanes: Lanes[Job] = Lanes(work.function.limit, most_at_once)
        self._jobs: set[Job] = set()  # waiting, running or set aside
        self._closing = False
        self._ended = False
        self.waiting_bytes = 0
        metrics.WAITING.labels(self.name).set_function(lambda: self.waiting)

    @property
    def name(self) -> str:
        return self._work.function.name

    @property
    def waiting(self) -> int:
        """Records that wait for a turn."""
        return self._lanes.waiting

    def is_full(self) -> bool:
        """Whether no more should be fetched for now."""
        return len(self._jobs) > MOST_WAITING or self.waiting_bytes > MOST_BYTES

    def submit(
        self, record: Record, ack: Callable[[], object], rewind: Rewind = NO_REWIND, *, behind: bool = False
    ) -> Job:
        """Takes a record over. `ack` is called when it needs no more work. `behind`: after all live work."""
        job = Job(record, ack, rewind, behind=behind or record.topic in self._work.function.behind)
        if self._ended:
            return job
        self._jobs.add(job)
        self.waiting_bytes += record.size()
        try:
            received = self._work.codec.read(record)
        except Undecodable as error:
            self._start(job, self._bury(job, error))
            return job
        if not self._work.function.accepts(received.event):
            self._finish(job)
            return job
        job.lane, job.received = received.event.owner() or "", received
        self._queue(job)
        job.received = None
        if job.task is None:
            self._unseen.append((received.id, job))
            if self._looking is None:
                self._looking = asyncio.create_task(self._pass_over())
        return job

    def has(self, job: Job) -> bool:
        """Whether a record is still in hand: neither done nor given back."""
        return job in self._jobs

    def _queue(self, job: Job) -> None:
        self._lanes.put(job.lane, job, behind=job.behind)
        self._fill()

    def _fill(self) -> None:
        """Begins what may begin, unless a provider that it needs is paused: then it looks again when that is over."""
        while not self._closing and (turn := self._lanes.take()):
            lane, job = turn
            if job.dropped:
                self._lanes.done(lane)
            elif wait := self._work.wait():
                self._lanes.put_back(lane, job, behind=job.behind)
                self._fill_in(wait)
                return
            else:
                self._start(job, self._turn(job, job.received or self._work.codec.read(job.record)))

    def _fill_in(self, seconds: float) -> None:
        if self._refill is None:
            self._refill = asyncio.get_running_loop().call_later(seconds, self._fill_now)

    def _fill_now(self) -> None:
        self._refill = None
        self._fill()

    async def _pass_over(self) -> None:
        """What must wait may have been done already: a restart or a rewind over finished work is acked in bulk."""
        name, fingerprint = self._work.function.name, self._work.fingerprint
        try:
            while self._unseen:
                some, self._unseen = self._unseen[:MOST_LOOKED_UP], self._unseen[MOST_LOOKED_UP:]
                asked = [(input_id, job.rewind) for input_id, job in some]
                over = await self._work.journal.over(name, fingerprint, asked)
                for input_id, job in some:
                    if input_id in over and job in self._jobs and job.task is None:
                        self._drop(job)
                        job.ack()
        finally:
            self._looking = None

    def _start(self, job: Job, work: Coroutine[None, None, None]) -> None:
        job.task = asyncio.create_task(work)

    async def _turn(self, job: Job, received: Received) -> None:
        """One turn of a job in its lane."""
        try:
            outcome = await self._process(job, received)
            if isinstance(outcome, Rest):  # before its place is another's
                self._rest(job, outcome.seconds)
        finally:
            self._lanes.done(job.lane)
            job.task = None
            self._fill()
        match outcome:
            case Acked():
                self._finish(job)
            case Aside(seconds):
                asyncio.get_running_loop().call_later(seconds, self._back, job)
            case Alone():
                self._back(job)

    async def _process(self, job: Job, received: Received) -> Outcome:
        async with self._company.beside():
            if self._closing:  # it waited behind one that was alone
                return Aside(0.0)
            outcome = await process(self._work, received, job.rewind)
        if isinstance(outcome, Alone):
            log.warning("workers died over it: it runs alone", function=self.name, record=str(job.record))
            async with self._company.alone():
                outcome = await process(self._work, received, job.rewind, alone=True)
        return outcome

    def _rest(self, job: Job, seconds: float) -> None:
        """Nothing of its creator may begin: to ask for each that waits would be answered with the same."""
        if job.dropped or self._closing:
            return
        if self._lanes.rest(job.lane):
            asyncio.get_running_loop().call_later(seconds, self._wake, job.lane)
        self._lanes.put(job.lane, job, behind=job.behind, first=True)

    def _wake(self, lane: str) -> None:
        self._lanes.wake(lane)
        self._fill()

    def _back(self, job: Job) -> None:
        if not job.dropped and not self._closing:
            self._queue(job)

    def _finish(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.discard(job)
            self.waiting_bytes -= job.record.size()
        job.ack()

    async def _bury(self, job: Job, error: Undecodable) -> None:
        """What cannot be read goes to dead-letter, and its partition goes on."""
        metrics.DEAD_LETTERS.labels(self.name).inc()
        log.info("dead letter", function=self.name, record=str(job.record), reason=str(error))
        letter = dead_letter(job.record, self._work.function.group(), error)
        while True:
            try:
                await self._work.outbox.send(letter.topic, letter.key, letter.value, letter.headers)
            except DeliveryFailed as failed:
                await asyncio.sleep(failed.retry_after)
            else:
                self._finish(job)
                return

    def close(self) -> None:
        """The end: nothing new is taken or started from now on, whatever rebalances come while the worker stops."""
        self._closing = self._ended = True

    def reopen(self) -> None:
        if self._ended:
            return
        self._closing = False
        self._fill()

    async def let_go(self, within: float) -> None:
        """Gives everything back, for other workers: what waits at once, what runs after `within` seconds.

        Runs that end in time are acked. The rest is cancelled, and its attempts are not charged.
        """
        self._closing = True
        for job in self._lanes.drain():
            self._drop(job)
        tasks = {job.task for job in self._jobs if job.task}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            if late:
                await self._cancel(late)
        for job in list(self._jobs):
            self._drop(job)

    async def _cancel(self, tasks: Set[asyncio.Task[None]]) -> None:
        """Each gives its attempt back. A worker that stops does not wait for a database that stays away: what it cannot
        give back looks like a death then."""
        for task in tasks:
            task.cancel()
        _, stuck = await asyncio.wait(tasks, timeout=GIVING_BACK if self._ended else None)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)

    def _drop(self, job: Job) -> None:
        job.dropped = True
        if job in self._jobs:
            self._jobs.discard(job)
            self.waiting_bytes -= job.record.size()
