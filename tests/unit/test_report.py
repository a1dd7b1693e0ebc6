"""What a verification says: every difference is counted, some are shown, and what goes on is none."""

from __future__ import annotations

from datetime import UTC, datetime

from chronos.auditing import notes
from chronos.report import Report
from schemas.embedding import ChunksEmbedded, EmbeddingsCompleted, Vector
from schemas.event import Event
from schemas.running import UsageRecorded
from streams.codec import Received
from streams.record import Record

AT = datetime(2026, 1, 1, tzinfo=UTC)
ME = {"video_id": "tides", "creator_id": "ada"}
OF = {**ME, "chunk_set_id": "set", "space": "m/3"}


def said(event: Event) -> Received:
    record = Record("t", 0, 0, 0, None, None)
    return Received(event, "id", "run", 1, AT, record, "generate-embeddings 1-abc", "input")


def usage(memoized: bool) -> UsageRecorded:
    token = None if memoized else "call"
    said = {"function": "f", "usage": "inputTokens", "quantity": 3.0, "model": "m", "cost_micro_usd": 7}
    return UsageRecorded(**ME, **said, memoized=memoized, token=token)


def test_differences_that_are_not_shown_are_counted():
    report = Report()
    report.add("rows", [{"what": "one", "total": 30}, {"what": "two", "total": 30}])
    assert report.counts == {"rows": 30}
    assert report.differences == ["one", "two", "rows: and 28 more"]
    assert report.summary().startswith("0 facts, 0 rows, 30 differences")


def test_what_goes_on_is_named_and_is_no_difference():
    report = Report(open={"requests": 2, "results": 0, "spends": 0, "lateResults": 0})
    assert report.ok
    assert report.still_open() == "2 requests"
    assert report.to_json()["open"]["requests"] == 2


def test_a_request_without_an_ending_is_not_ok():
    assert not Report(without_ending=[{"videoId": "tides"}]).ok


def test_only_calls_that_were_paid_are_noted_as_such():
    found = notes([said(usage(memoized=True)), said(usage(memoized=False))])
    assert found.noted_calls == [("id", "call", "f", "ada", "tides", "m", 3.0, 7)]


def test_each_result_that_rides_in_a_fact_is_noted():
    vectors = [Vector(index=n, paid_key=f"key-{n}", values=b"", tokens=1, cost_micro_usd=1) for n in range(2)]
    found = notes([said(ChunksEmbedded(**OF, batch=0, batches=1, vectors=vectors))])
    assert found.noted_results == [("key-0",), ("key-1",)]


def test_when_a_function_was_done_with_an_input_is_noted():
    found = notes([said(EmbeddingsCompleted(**OF, chunks=2))])
    assert found.noted_endings == [("generate-embeddings", "input", AT)]
