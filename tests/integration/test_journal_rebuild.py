"""What is read back into a journal: all at once, never over what it holds, and whatever the order of the facts."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.send_webhooks import CHANNEL, delivery
from chronos.journal_rebuild import kept
from schemas.deletion import VideoDeleted
from schemas.event import Event
from schemas.running import (
    Error,
    FailedEvent,
    FunctionFailed,
    FunctionRetried,
    NotificationSent,
    RunCancelled,
    UsageRecorded,
)
from schemas.transcription import SegmentTranscribed, Transcript, TranscriptionCompleted, TranscriptionStarted
from streams.codec import Received
from streams.journal import Journal, prepare
from streams.postgres import Pool, connect
from streams.record import Record
from streams.recovery import Recovery

AT = datetime(2026, 1, 1, tzinfo=UTC)
INPUT, RUN, CALL = (str(uuid.UUID(int=n)) for n in (1, 2, 3))
ME = {"video_id": "tides", "creator_id": "ada"}
BUSY = Error(type="SpeechUnavailable", message="down", retryable=True)


def said(event: Event, sequence: int = 5, function: str = "transcribe-video 1-abc", cause: str = INPUT) -> Received:
    return Received(event, str(uuid.uuid4()), RUN, sequence, AT, Record("t", 0, 0, 0, None, None), function, cause)


STARTED = said(TranscriptionStarted(**ME, attempt=3))
RETRIED = said(
    FunctionRetried(**ME, function="transcribe-video", attempt=2, retry_at=AT, error=BUSY)
)  # fmt: skip
PIECE = said(
    SegmentTranscribed(
        **ME, index=0, start_seconds=0, end_seconds=30.5, paid_key="key", result='{"text":"x"}', cost_micro_usd=9
    )
)
USAGE = said(
    UsageRecorded(
        **ME, function="transcribe-video", usage="audioSeconds", quantity=30.5, model="m", cost_micro_usd=9,
        memoized=False, keys=["key"], token=CALL,
    )
)  # fmt: skip
FAILED = said(
    FunctionFailed(
        **ME, function="transcribe-video", attempts=3, error=BUSY, event=FailedEvent(topic="t", partition=0, offset=0)
    )
)
COMPLETED = said(
    TranscriptionCompleted(
        **ME, audio_sha256="0" * 64,
        transcript=Transcript(text="x", language="en", duration_seconds=1, model="m", segments=[]),
    )
)  # fmt: skip


@pytest.fixture
async def pool(new_database: Callable[[], str]) -> AsyncIterator[Pool]:
    pool = await connect(new_database())
    await prepare(pool)
    yield pool
    await pool.close()


async def recover(pool: Pool, *facts: Received) -> dict[str, int]:
    async with pool.acquire() as connection:
        recovery = Recovery(connection)
        await recovery.begin()
        for fact in facts:
            await recovery.gather(list(kept(fact)))
        found = await recovery.put_back()
        await connection.execute("DISCARD TEMP")
    return found


async def the_run(pool: Pool) -> dict[str, Any]:
    (row,) = await pool.fetch("SELECT * FROM journal.runs")
    return dict(row)


async def test_a_result_comes_back_under_the_call_that_bought_it(pool: Pool):
    found = await recover(pool, PIECE, USAGE)
    assert found == {"deleted": 0, "spends": 1, "results": 1, "runs": 1, "choices": 0, "cancelled": 0, "budgets": 0}
    (paid,) = await pool.fetch("SELECT * FROM journal.paid")
    assert (paid["key"], bytes(paid["result"]), str(paid["token"])) == ("key", b'{"text":"x"}', CALL)
    (spend,) = await pool.fetch("SELECT * FROM journal.spends")
    assert (spend["told"], spend["cost_micro_usd"], list(spend["keys"])) == (True, 9, ["key"])


@pytest.mark.parametrize("seed", range(6))
async def test_a_run_comes_back_the_same_in_whatever_order_its_facts_are_read(pool: Pool, seed: int):
    facts = [STARTED, RETRIED, PIECE, USAGE, FAILED, PIECE]
    random.Random(seed).shuffle(facts)
    await recover(pool, *facts)
    run = await the_run(pool)
    assert (run["ending"], run["told"], run["attempts"], run["first_started_at"]) == ("failed", True, 3, 5)


async def test_a_run_that_was_going_on_has_the_attempts_left_that_it_had(pool: Pool):
    await recover(pool, STARTED, RETRIED)
    run = await the_run(pool)
    assert (run["ending"], run["told"], run["attempts"]) == (None, False, 2)


async def test_completed_outranks_failed(pool: Pool):
    await recover(pool, COMPLETED, FAILED)
    run = await the_run(pool)
    assert (run["ending"], run["error"]) == ("completed", None)


async def test_what_the_journal_holds_stays_as_it_is(pool: Pool):
    """A failed run that a rewind has given fresh attempts would else be over again, without having been tried."""
    await recover(pool, STARTED)
    assert not any((await recover(pool, STARTED, FAILED)).values())
    assert (await the_run(pool))["ending"] is None


async def test_a_run_that_a_person_called_off_stays_called_off(pool: Pool):
    cancelled = said(RunCancelled(**ME, run_id=RUN, by="cli", reason="the wrong film"), function="", cause="")
    assert (await recover(pool, STARTED, cancelled, cancelled))["cancelled"] == 1
    assert str(await pool.fetchval("SELECT run_id FROM journal.cancelled")) == RUN


async def test_a_receiver_that_has_a_webhook_is_remembered_and_its_run_may_go_on_for_the_others(pool: Pool):
    sent = NotificationSent(**ME, channel=CHANNEL, target="https://a.test/hook", status="sent")
    await recover(pool, said(sent, function="send-webhooks 1-abc"))
    choice = await Journal(pool).chosen(f"send-webhooks/{INPUT}/{delivery(sent.target)}")
    assert choice == b"sent"
    assert (await the_run(pool))["ending"] is None


async def test_what_was_deleted_does_not_come_back_and_what_another_video_uses_does(pool: Pool):
    deletion = str(uuid.UUID(int=9))
    gone = said(VideoDeleted(**ME, by="ada"), function="delete-video 1-abc", cause=str(uuid.UUID(int=4)))
    other = SegmentTranscribed(**{**ME, "video_id": "bread"}, index=0, start_seconds=0, end_seconds=1,
                               paid_key="shared", result="{}", cost_micro_usd=9)  # fmt: skip
    shared = PIECE.event.model_copy(update={"paid_key": "shared"})
    cause = str(uuid.UUID(int=5))
    await recover(pool, PIECE, COMPLETED, gone._replace(run_id=deletion), said(other, cause=cause), said(shared), USAGE)
    assert [row["key"] for row in await pool.fetch("SELECT key FROM journal.paid")] == ["shared"]
    assert [row["video_id"] for row in await pool.fetch("SELECT video_id FROM journal.uses")] == ["bread"]
    endings = await pool.fetch("SELECT video_id, function, ending, told FROM journal.runs ORDER BY 1, 2")
    assert [tuple(row) for row in endings] == [
        ("bread", "transcribe-video", None, False),
        ("tides", "delete-video", "completed", True),
        ("tides", "transcribe-video", "cancelled", True),
    ]
    assert str(await pool.fetchval("SELECT run_id FROM journal.deleted")) == deletion
    assert await pool.fetchval("SELECT count(*) FROM journal.spends") == 1


async def test_what_no_function_of_ours_said_is_passed_over(pool: Pool):
    stranger, nowhere = said(PIECE.event, function=""), said(PIECE.event, cause="not an id")
    assert not any((await recover(pool, stranger, nowhere)).values())


async def test_a_rebuild_that_was_broken_off_leaves_an_empty_journal_so_that_no_worker_starts_on_it(pool: Pool):
    async with pool.acquire() as connection:
        recovery = Recovery(connection)
        await recovery.begin()
        await recovery.gather(list(kept(PIECE)))
        await connection.execute("DISCARD TEMP")
    assert await pool.fetchval("SELECT count(*) FROM journal.paid") == 0
    assert await pool.fetchval("SELECT count(*) FROM journal.runs") == 0
