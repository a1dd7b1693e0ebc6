"""One attempt on a real journal: what its end is called, and that an ending is told even when telling failed once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from schemas.event import Coordinates
from schemas.running import FunctionFailed
from schemas.transcription import TranscribeRequested, TranscriptionStarted
from streams import attempt
from streams.attempt import Workplace, process
from streams.budgets import Budgets
from streams.codec import Codec, Received
from streams.journal import NO_REWIND, Asked, Grant, Journal, Rewind, Settlement
from streams.kafka import DeliveryFailed, Stored
from streams.paying import Till
from streams.postgres import Pool
from streams.providers import Providers
from streams.purchases import Purchases
from streams.record import Record
from streams.retry import Retry
from streams.stage import Answer, Function, Step, function
from streams.turn import Acked, Aside, Outcome, Rest


class Box:
    """A producer that gives up on the topics in `refused`, and keeps what it sent."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.sent: list[Record] = []

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> asyncio.Future[Stored]:
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        if topic in self.refused:
            future.set_exception(DeliveryFailed("given up"))
        else:
            self.sent.append(Record(topic, 0, len(self.sent), 0, key, value, tuple(headers)))
            future.set_result(Stored(Coordinates(topic=topic, partition=0, offset=len(self.sent)), 0))
        return future

    def failures(self) -> list[FunctionFailed]:
        read = [Codec({}).read(record).event for record in self.sent]
        return [event for event in read if isinstance(event, FunctionFailed)]


@pytest.fixture
def box() -> Box:
    return Box()


def work(pool: Pool, box: Box, function: Function) -> Workplace:
    till = Till(Purchases(pool), Providers(pool), asyncio.Semaphore(4), Budgets(pool))
    return Workplace(function, function.fingerprint(), {}, Journal(pool), till, box, Codec({}))  # type: ignore[arg-type]


def received() -> Received:
    event = TranscribeRequested(video_id="tides", creator_id=uuid.uuid4().hex, storage_path="tides.mp4")
    ids = [str(uuid.uuid4()) for _ in range(3)]
    return Received(event, ids[0], ids[1], 1, datetime.now(UTC), Record("t", 0, 0, 0, b"", b"x"), "", ids[2])


async def until_acked(work: Workplace, one: Received, rewind: Rewind = NO_REWIND) -> Outcome:
    outcome: Outcome = Aside(0.0)
    while isinstance(outcome, Aside):
        await asyncio.sleep(outcome.seconds)
        outcome = await process(work, one, rewind)
    return outcome


@function("hangs", retry=Retry(attempts=1), deadline=0.1)
async def hangs(request: TranscribeRequested, step: Step) -> AsyncIterator[TranscriptionStarted]:
    await asyncio.sleep(60)
    yield TranscriptionStarted(video_id=request.video_id, creator_id=request.creator_id, attempt=step.attempt)


@function("waited", retry=Retry(attempts=1))
async def waited(request: TranscribeRequested, step: Step) -> AsyncIterator[TranscriptionStarted]:
    raise TimeoutError("the store did not answer in 30 s")
    yield TranscriptionStarted(video_id=request.video_id, creator_id=request.creator_id, attempt=step.attempt)


@pytest.mark.parametrize(
    ("function", "type", "said"),
    [(hangs, "PastDeadline", "still at work after 0 s"), (waited, "TimeoutError", "did not answer in 30 s")],
    ids=["its own deadline", "a timeout of something else"],
)
async def test_a_passed_deadline_is_told_from_a_timeout_of_something_else(
    pool: Pool, box: Box, function: Function, type: str, said: str
):
    assert await until_acked(work(pool, box, function), received()) == Acked()
    [failure] = box.failures()
    assert failure.error.type == type
    assert said in failure.error.message


async def test_an_ending_whose_telling_failed_is_told_later_and_once(pool: Pool, box: Box):
    """A video that fails without anybody hearing of it would be lost."""
    place, one = work(pool, box, waited), received()
    box.refused = {FunctionFailed.name}
    for _ in range(2):  # as its attempt ends, and as a stored ending is told
        assert isinstance(await process(place, one, NO_REWIND), Aside)
    assert box.failures() == []
    box.refused = set()
    assert await process(place, one, NO_REWIND) == Acked()
    assert await process(place, one, NO_REWIND) == Acked()
    assert len(box.failures()) == 1


class Weather:
    """Something outside that is bad so many times."""

    bad = 0


@function("weathered", retry=Retry(attempts=2, first=0.01))
async def weathered(request: TranscribeRequested, step: Step) -> AsyncIterator[TranscriptionStarted]:
    if Weather.bad:
        Weather.bad -= 1
        raise TimeoutError("bad weather")
    yield TranscriptionStarted(video_id=request.video_id, creator_id=request.creator_id, attempt=step.attempt)


async def test_what_completed_at_its_last_attempt_is_told_again_as_it_was_whatever_the_weather(pool: Pool, box: Box):
    """It has no attempt to spare: a completed video must not fail because somebody wanted to hear of it again."""
    place, one = work(pool, box, weathered), received()
    Weather.bad = 1
    assert await until_acked(place, one) == Acked()
    Weather.bad = 3
    assert await until_acked(place, one, Rewind(1, reemit=True)) == Acked()
    assert box.failures() == []
    first, again = [record.value for record in box.sent if record.topic == TranscriptionStarted.name]
    assert first == again


class Teller:
    """A paid call."""

    provider, model, usage = "oracle", "teller", "audioSeconds"

    def quote(self, arguments: Sequence[str]) -> tuple[float, int]:
        return 1.0, 5

    def key(self, argument: str) -> str:
        return argument

    async def __call__(self, arguments: Sequence[str]) -> list[Answer]:
        return [Answer(b"", 1.0, 5) for _ in arguments]


@function("pays", retry=Retry(attempts=1))
async def pays(request: TranscribeRequested, step: Step) -> AsyncIterator[TranscriptionStarted]:
    async for _ in step.each("asks", Teller(), [f"{request.creator_id}/{n}" for n in range(3)]):
        pass
    yield TranscriptionStarted(video_id=request.video_id, creator_id=request.creator_id, attempt=step.attempt)


async def test_a_run_that_a_budget_holds_rests_without_an_attempt_or_a_clock_and_goes_on(pool: Pool, box: Box):
    """For as long as it takes: there may be room tomorrow."""
    place, one, budgets = work(pool, box, pays), received(), Budgets(pool)
    creator = one.event.owner() or ""
    await budgets.put(creator, 11)
    for _ in range(3):
        assert isinstance(await process(place, one, NO_REWIND), Rest)
    run = await pool.fetchrow("SELECT * FROM journal.runs WHERE creator_id = $1", creator)
    assert (run["attempts"], run["waits_since"], run["lease_token"], run["ending"]) == (0, None, None, None)
    assert [record.topic for record in box.sent] == []
    await budgets.put(creator, 15)
    assert await process(place, one, NO_REWIND) == Acked()
    assert [b.spent for b in await budgets.all(creator)] == [15]


class Sick(Journal):
    """A journal that the database refuses statements of, once each."""

    def __init__(self, pool: Pool, *refused: str) -> None:
        super().__init__(pool)
        self.refused = set(refused)

    async def begin(self, asked: Asked) -> Grant:
        self._refuse("begin")
        return await super().begin(asked)

    async def _settle_all(self, settlements: Sequence[Settlement]) -> list[bool]:
        self._refuse("settle")
        return await super()._settle_all(settlements)

    def _refuse(self, what: str) -> None:
        if what in self.refused:
            self.refused.discard(what)
            raise asyncpg.UndefinedTableError(f"no table to {what} in")


@pytest.mark.parametrize("refused", ["begin", "settle"])
async def test_what_the_database_refuses_is_tried_again(
    pool: Pool, box: Box, monkeypatch: pytest.MonkeyPatch, refused: str
):
    """A record that nobody acks and nobody tries again would hold its partition's offset for ever."""
    monkeypatch.setattr(attempt, "UNFORESEEN", 0.01)
    place, one = replace(work(pool, box, weathered), journal=Sick(pool, refused)), received()
    assert await until_acked(place, one) == Acked()
    assert len(box.sent) == 1 + (refused == "settle")
