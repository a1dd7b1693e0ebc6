"""A run as a timeline, out of what journal and log hold; and how an event is shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from chronos import showing
from chronos.api.logs import event
from chronos.api.timeline import draw
from chronos.browsing import Seen
from schemas.avro import encode
from schemas.event import Event
from schemas.running import Error, FunctionFailed, FunctionRetried, UsageRecorded
from schemas.running import FailedEvent as Failed
from schemas.transcription import TranscribeRequested
from streams.codec import Received
from streams.kafka import partitions_of
from streams.record import Record

INPUT, RUN = "11111111-0000-5000-8000-000000000001", "01900000-0000-7000-8000-000000000001"
BEGAN = datetime(2026, 11, 26, 12, tzinfo=UTC)
WHO = {"video_id": "tides", "creator_id": "ada", "function": "transcribe-video"}


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def said(what: Event, seconds: float, id: str, function: str = "transcribe-video abc") -> Any:
    record = Record(what.name, 3, int(seconds), 0, what.key().encode(), encode(what))
    seen = Seen(record, Received(what, id, RUN, 0, after(seconds), record, function, INPUT if function else ""))
    return seen, event(seen)


def stage(**more: Any) -> dict[str, Any]:
    return {
        "function": "transcribe-video",
        "fingerprint": "abc",
        "input_id": INPUT,
        "attempts": 2,
        "crashes": 0,
        "ending": None,
        "error": None,
        "began_at": after(0),
        "first_began_at": after(0),
        "ended_at": None,
        "next_attempt_at": None,
        "seconds": None,
        "leased": False,
        **more,
    }


REQUEST = said(TranscribeRequested(video_id="tides", creator_id="ada", storage_path="ada/t.mp4"), -4, INPUT, "")
BUSY = Error(type="SpeechUnavailable", message="Authorization: Bearer abcdefghijkl", retryable=True)
RETRIED = said(FunctionRetried(**WHO, attempt=1, retry_at=after(7), error=BUSY), 2, "r")
GONE = Error(type="ObjectMissing", message="gone", retryable=False)
FAILED = said(
    FunctionFailed(**WHO, attempts=2, error=GONE, event=Failed(topic="transcribe.requested", partition=0, offset=0)),
    9,
    "f",
)
USED = {"usage": "audioSeconds", "quantity": 3.0, "model": "whisper-1", "cost_micro_usd": 5}


def test_a_run_that_failed_shows_the_errors_of_all_its_attempts_in_their_order() -> None:
    ending = {"ending": "failed", "error": json.dumps(GONE.model_dump()), "ended_at": after(8.5), "seconds": 8.5}
    drawn = draw([stage(**ending)], [], [REQUEST, RETRIED, FAILED])
    [one] = drawn.stages
    assert [error.type for error in one.errors] == ["SpeechUnavailable", "ObjectMissing"]
    assert "abcdefghijkl" not in one.model_dump_json()
    assert (one.state, one.waited_seconds, one.seconds) == ("failed", 4.0, 8.5)
    assert [entry.what for entry in one.entries] == ["began", "retried", "ended", "failed"]
    assert [other.topic for other in drawn.others] == ["transcribe.requested"]


def test_what_waits_for_another_try_says_so_and_has_no_duration() -> None:
    [one] = draw([stage(next_attempt_at=after(7))], [], [RETRIED]).stages
    assert (one.state, one.seconds, one.ended_at, one.waited_seconds) == ("waiting", None, None, None)
    assert one.next_attempt_at == after(7)


def test_a_paid_call_is_there_once_and_what_was_remembered_beside_it() -> None:
    spend = USED | {"function": "transcribe-video", "input_id": INPUT, "spent_at": after(1)}
    bought = said(UsageRecorded(**WHO, **USED, memoized=False, token="t"), 2, "u")
    reused = said(UsageRecorded(**WHO, **USED, memoized=True), 3, "m")
    [one] = draw([stage(leased=True)], [spend, spend | {"input_id": RUN}], [bought, reused]).stages
    assert [(entry.what, entry.cost_micro_usd) for entry in one.entries[1:]] == [("paid", 5), ("remembered", 5)]
    assert one.state == "running"


def trail(began: float, told: dict[str, Any], **more: Any) -> dict[str, Any]:
    row = {"function": "transcribe-video", "fingerprint": "abc", "input_id": INPUT, "attempt": 1, "crashes": 0}
    return row | {"begun_at": after(began), "seconds": 4.0, "trail": json.dumps(told)} | more


def test_a_stage_tells_the_steps_of_each_attempt_and_what_was_logged_in_them() -> None:
    fetched = {"name": "download", "at": 0.5, "seconds": 2.0, "error": "ObjectMissing"}
    heard = {"name": "transcribe", "at": 0.1, "seconds": None, "bought": 1}
    line = {"at": 1.0, "level": "warning", "event": "odd", "step": "download", "number": 1, "named": {"why": "dust"}}
    first, second = trail(0, {"steps": [fetched], "lines": [line]}), trail(5, {"steps": [heard]}, attempt=2)
    of_another = trail(5, {"steps": []}, input_id=RUN)
    [one] = draw([stage()], [], [], [first, second, of_another]).stages
    assert [(tried.attempt, tried.began_at) for tried in one.trails] == [(1, after(0)), (2, after(5))]
    [step], [said] = one.trails[0].steps, one.trails[0].lines
    assert (step.number, step.kind, step.at, step.seconds) == (1, "download", after(0.5), 2.0)
    assert (step.error, step.bought, step.remembered) == ("ObjectMissing", 0, 0)
    assert (said.at, said.event, said.number, said.named) == (after(1), "odd", 1, {"why": "dust"})
    assert (one.trails[1].steps[0].seconds, one.trails[1].steps[0].bought) == (None, 1)


def test_a_run_of_before_there_were_trails_is_drawn_without() -> None:
    [one] = draw([stage()], [], [REQUEST]).stages
    assert one.trails == []


def test_long_things_are_cut_bytes_are_counted_and_secrets_hidden() -> None:
    shown = showing.payload(
        FunctionFailed(
            **WHO,
            attempts=1,
            error=Error(type="x", message="password=hunter22 " + "a" * 5_000, retryable=False),
            event=Failed(topic="t", partition=0, offset=0, key=None, value=bytes(2_048)),
        )
    )
    assert shown["event"]["value"] == "2,048 bytes"
    assert "hunter22" not in shown["error"]["message"]
    assert shown["error"]["message"].endswith("… (5,018 characters)")
    assert showing._shown(list(range(30))) == [*range(20), "and 10 more"]


def test_a_key_is_looked_for_where_java_puts_it_and_where_it_was_before_its_topic_grew() -> None:
    assert partitions_of(b"hello", 12, 12) == {2_132_663_229 % 12}
    assert partitions_of(b"hello", 12, 14) == {2_132_663_229 % count for count in (12, 13, 14)}
