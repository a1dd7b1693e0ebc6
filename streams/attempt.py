"""One attempt of one run: from leave to process to an ending that is stored, told and acked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog

from streams.codec import Codec, Received
from streams.journal import (
    Asked,
    Crowded,
    Ended,
    Grant,
    HeldBack,
    Journal,
    Later,
    Lease,
    Rewind,
    RunKey,
    Settlement,
    Suspect,
)  # fmt: skip
from streams.kafka import DeliveryFailed, Outbox, TooLarge
from streams.outcome import Attempt
from streams.paying import Purse, Till
from streams.providers import Gate
from streams.purchases import Spend
from streams.retry import Again, Dead, Done, Held, Problem, Refused, Unavailable, Verdict, judge
from streams.stage import Function
from streams.steps import Steps
from streams.telling import Cancelled, Fenced, Speaker, Telling, failed, result_kept, retried, reused
from streams.turn import Acked, Alone, Aside, Outcome, Rest

log = structlog.get_logger()

MOST_CRASHES = 2
"""Workers that may die over an input that ran alone in them. One could be chance: a deploy that was in a hurry."""

UNFORESEEN = 5.0  # seconds until what nobody foresaw is tried again: a person may mend it meanwhile


class PastDeadline(Unavailable):
    """An attempt hung: it took longer than its function allows."""


HELD = 2.0
"""Seconds between two looks whether a budget has room again. Ten of a creator's videos ask, whatever else waits."""


@dataclass(frozen=True)
class Workplace:
    """What the runs of one function share."""

    function: Function
    fingerprint: str
    ports: Mapping[str, object]
    journal: Journal
    till: Till
    outbox: Outbox
    codec: Codec
    gates: Sequence[Gate] = ()  # of the providers that the function pays
    max_wait: float = 24 * 3600.0  # seconds that a run may wait for the world

    def wait(self) -> float:
        """Seconds for which no run should begin, because a provider that all of them need is paused."""
        return max((gate.wait() for gate in self.gates), default=0.0)


async def process(work: Workplace, received: Received, rewind: Rewind, *, alone: bool = False) -> Outcome:
    """Processes one event as far as it can be now. Raises only CancelledError, after the attempt was given back."""
    try:
        return await _process(work, received, rewind, alone=alone)
    except Exception:  # around the attempt: the journal refuses a statement, say. Without another try it would be lost
        log.exception("could not be processed", function=work.function.name, record=str(received.record))
        return Aside(UNFORESEEN)


async def _process(work: Workplace, received: Received, rewind: Rewind, *, alone: bool) -> Outcome:
    key = RunKey(work.function.name, work.fingerprint, received.id)
    event, most = received.event, work.function.limit
    asked = Asked(key, received.run_id, event.owner(), event.subject(), rewind, most, alone)
    grant = await _begin(work.journal, asked)
    match grant:
        case Ended(told=True):
            return Acked()
        case Ended():
            return await _tell_ending(work, received, key, grant)
        case Later(seconds):
            return Aside(seconds)
        case Crowded(seconds):
            return Rest(seconds)
        case HeldBack():
            return Rest(HELD)
        case Suspect():
            return Alone()
        case Lease():
            return await _owned(work, received, asked, grant)
        case _:
            assert_never(grant)


async def _begin(journal: Journal, asked: Asked) -> Grant:
    """A lease that is granted just as the run is called off is given back, so that it does not look like a death."""
    asking = asyncio.ensure_future(journal.begin(asked))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        if isinstance(grant := await asking, Lease):
            await journal.settle(Settlement(grant, refund=True))
        raise


async def _owned(work: Workplace, received: Received, asked: Asked, lease: Lease) -> Outcome:
    attempt = Attempt(work.function.name, received, lease)
    run = _Run(work, received, asked, attempt)
    try:
        with attempt.seen():
            return await run.go()
    except DeliveryFailed as error:
        await work.journal.settle(Settlement(lease, refund=True))
        return Aside(error.retry_after)
    except Fenced:
        log.warning("run lost to another worker", function=work.function.name, record=str(received.record))
        await work.journal.settle(Settlement(lease, refund=True))  # it may be ours still: the database was away
        return Aside(1.0 + random.random())  # noqa: S311  # spreads workers, guards nothing
    except (asyncio.CancelledError, Exception):  # the latter: see process; its lease would be renewed for ever
        await work.journal.settle(Settlement(lease, refund=True))
        raise


async def _tell_ending(work: Workplace, received: Received, key: RunKey, ended: Ended) -> Outcome:
    """A worker died between storing an ending and telling it: only that is left to do."""
    lease = Lease(key, key.input_id, ended.attempts, 0, ended.sequence, good_until=float("inf"))
    asked = Asked(key, received.run_id, None, None)
    run = _Run(work, received, asked, Attempt(work.function.name, received, lease))
    try:
        if ended.problem is not None:
            await run.tell_failure(ended.problem)
    except DeliveryFailed as error:
        return Aside(error.retry_after)
    return Acked()


class _Run:
    """A run under its lease."""

    def __init__(self, work: Workplace, received: Received, asked: Asked, attempt: Attempt) -> None:
        lease = attempt.lease
        self._work, self._received, self._lease, self._seen = work, received, lease, attempt
        self._purse = Purse(work.till, asked, lease)
        self._steps = Steps(work.journal, received, lease, self._purse)
        self._told: set[str] = set()  # tokens of the spends that this attempt has told
        speaker = Speaker(lease.key, received.run_id, lease.sequence)
        self._telling = Telling(speaker, received, work.outbox, lease.is_good)

    async def go(self) -> Outcome:
        if self._lease.crashes_alone >= MOST_CRASHES:
            died = self._lease.crashes + self._lease.crashes_alone
            what = f"{died} workers died while they processed this, the last with nothing beside it; see their logs"
            return await self._end(Dead(Problem("WorkerDied", what, False)))
        try:
            verdict = await self._attempt()
        except Cancelled:
            return await self._cancelled()
        except Held as error:
            return await self._held(error)
        return await self._end(verdict)

    async def _attempt(self) -> Verdict:
        function, received = self._work.function, self._received
        try:
            async with asyncio.timeout(function.deadline) as clock:
                async for fact in function.body(received.event, self._steps, **self._work.ports):
                    if not fact.paid_keys():
                        self._tell_spends(self._purse.used.bought)  # before what is drawn from them
                    await self._telling.tell(fact)
            await self._tell_usage()
        except (Fenced, Cancelled, Held):
            raise
        except TooLarge as error:
            return judge(Refused(f"an event of this run is too large for the broker: {error}"), 1, function.retry)
        except Exception as error:  # the one place where anything becomes a verdict
            if clock.expired() and isinstance(error, TimeoutError):
                error = PastDeadline(f"still at work after {function.deadline:.0f} s")
            if not isinstance(judge(error, 1, function.retry), Dead):
                log.debug("attempt raised", exc_info=True)
            return judge(error, self._lease.attempt, function.retry, charged=not self._lease.reemit)
        return Done()

    async def _cancelled(self) -> Outcome:
        """What was bought is told; the cancellation itself is on the log already."""
        await self._tell_usage(everything=True)
        self._seen.cancelled()
        return self._acked(await self._settle(Settlement(self._lease, ending="cancelled", told=True)))

    async def _end(self, verdict: Verdict) -> Outcome:
        if isinstance(verdict, Again) and not verdict.charged and self._lease.waited > self._work.max_wait:
            verdict = Dead(self._gave_up(verdict.problem))
        self._seen.verdict(verdict)
        match verdict:
            case Done():
                return self._acked(await self._settle(Settlement(self._lease, ending="completed", told=True)))
            case Again(after, problem, charged):
                return await self._again(after, problem, charged)
            case Dead(problem):
                stored = Settlement(self._lease, ending="failed", problem=problem, release=False)
                if not await self._settle(stored):
                    raise Fenced
                await self.tell_failure(problem)
                return Acked()
            case _:
                assert_never(verdict)

    def _gave_up(self, problem: Problem) -> Problem:
        waited = f"waited {self._lease.waited / 3600:.0f} h (CHRONOS_MAX_WAIT): {problem.message}"
        return Problem("WaitedTooLong", waited, problem.retryable)

    async def _again(self, after: float, problem: Problem, charged: bool) -> Outcome:
        """Tells of the retry, then gives the slot back until it is due."""
        if charged:
            retry_at = datetime.now(UTC) + timedelta(seconds=after)
            name, attempt = self._work.function.name, self._lease.attempt
            await self._telling.tell(retried(self._received, name, attempt, retry_at, problem))
        await self._telling.flush()
        if not await self._settle(Settlement(self._lease, problem=problem, wait=after, refund=not charged)):
            raise Fenced
        return Aside(after)

    async def _held(self, error: Held) -> Outcome:
        """No clock runs: a budget that is used up today is another tomorrow."""
        self._seen.held(error)
        await self._telling.flush()
        problem = Problem(type(error).__name__, str(error), True)
        if not await self._settle(Settlement(self._lease, problem=problem, refund=True)):
            raise Fenced
        return Rest(HELD)

    async def tell_failure(self, problem: Problem) -> None:
        """What was bought is on the log before the failure is; the ending counts as told after both."""
        await self._tell_usage(everything=True)
        await self._telling.flush()
        if self._work.function.reports_failure:
            name = self._work.function.name
            await self._telling.tell(failed(self._received, name, self._lease.attempt, problem))
            await self._telling.flush()
        await self._settle(Settlement(self._lease, told=True))

    async def _tell_usage(self, *, everything: bool = False) -> None:
        """Spends of this input, once each, and what was reused. Earlier attempts may have left some untold, as well as
        results (`everything`: look for them in any case)."""
        used, key = self._purse.used, self._lease.key
        spends = used.bought
        bought = {paid for spend in spends for paid in spend.keys}
        if everything or self._lease.attempt > 1 or self._lease.crashes or not bought >= used.results.keys():
            spends = await self._work.till.purchases.spends(key)
        self._tell_spends(spends)
        await self._tell_results(spends)
        for usage in reused(self._received, key.function, used.reused(spends)):
            await self._telling.tell(usage)
        await self._telling.flush()
        self._work.till.purchases.note_told(self._told)

    async def _tell_results(self, spends: Iterable[Spend]) -> None:
        """What was bought and rides in no fact of this attempt: an earlier one may have died before it told it."""
        left = [key for spend in spends for key in spend.keys if key not in self._telling.carried]
        event, function = self._received.event, self._lease.key.function
        for key, result in (await self._work.till.purchases.recall(left)).items():
            await self._telling.tell(result_kept(key, result, function, event.subject(), event.owner()))

    def _tell_spends(self, spends: Iterable[Spend]) -> None:
        for spend in spends:
            if (self._lease.reemit or not spend.told) and spend.token not in self._told:
                self._telling.tell_spend(spend)
                self._told.add(spend.token)

    async def _settle(self, settlement: Settlement) -> bool:
        return await self._work.journal.settle(settlement)

    @staticmethod
    def _acked(written: bool) -> Outcome:
        if not written:
            raise Fenced
        return Acked()
