"""The fold: the tables are a function of the set of facts, whatever the order, the duplicates and the rewinds."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.all import PROJECTIONS, TABLES
from projections.deletions import is_about_videos, marks, remaining
from schemas.avro import encode
from schemas.deletion import VideoDeleted
from schemas.embedding import Chunk, ChunkRequested, ChunksEmbedded, EmbeddingsCompleted, TranscriptChunked, Vector
from schemas.event import Coordinates, Event
from schemas.running import Error, FailedEvent, FunctionFailed, FunctionRetried, UsageRecorded
from schemas.transcription import (
    AudioExtracted,
    TranscribeRequested,
    Transcript,
    TranscriptionCompleted,
    TranscriptionStarted,
)
from streams.codec import Received
from streams.identity import Place, emitted_run, outside_run
from streams.projection import fold, puts_of
from streams.record import Record

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUNS = [outside_run(Place("t", 0, n), 1_000 + n // 2) for n in range(3)]
ERROR = Error(type="SpeechUnavailable", message="no", retryable=True)
USED = {"function": "f", "usage": "audioSeconds", "quantity": 1, "model": "m", "cost_micro_usd": 5, "memoized": False}
NO_STATUS = FunctionRetried | UsageRecorded | ChunksEmbedded | VideoDeleted
PLACE = Coordinates(topic="transcription.completed", partition=0, offset=0)


def events(creator: str, video: str) -> st.SearchStrategy[Event]:
    me = {"creator_id": creator, "video_id": video}
    text = Transcript(text="a", language="en", duration_seconds=1, model="m", segments=[])
    chunk = Chunk(index=0, text="a", start_seconds=0, end_seconds=1, words=1, tokens=1)
    failed = FailedEvent(topic="t", partition=0, offset=0)
    vector = Vector(index=0, paid_key="k", values=b"\0\0\0\0", tokens=1, cost_micro_usd=1)
    of = {**me, "chunk_set_id": "set"}
    return st.sampled_from(
        [
            TranscribeRequested(**me, storage_path="p", title="first"),
            TranscribeRequested(**me, storage_path="p", title="second"),
            ChunkRequested(**me, reason="r", transcript=PLACE),
            TranscriptionStarted(**me, attempt=1),
            AudioExtracted(**me, bytes=1, sha256="0" * 64, duration_seconds=1, codec="aac", segments=[]),
            TranscriptionCompleted(**me, audio_sha256="0" * 64, transcript=text),
            TranscriptChunked(**of, transcript_id=RUNS[0], chunker="c", spaces=["s/1"], chunks=[chunk]),
            ChunksEmbedded(**of, space="s/1", batch=0, batches=1, vectors=[vector]),
            EmbeddingsCompleted(**of, space="s/1", chunks=1),
            FunctionRetried(**me, function="transcribe-video", attempt=1, retry_at=NOON, error=ERROR),
            FunctionFailed(**me, function="transcribe-video", attempts=3, error=ERROR, event=failed),
            UsageRecorded(**me, **USED),
            VideoDeleted(**me, by="ada"),
        ]
    )  # fmt: skip


@st.composite
def facts(draw: st.DrawFn) -> Received:
    event = draw(events(draw(st.sampled_from("ab")), draw(st.sampled_from("uv"))))
    offset = draw(st.integers(0, 5))
    record = Record(event.name, 0, offset, 0, b"", encode(event))
    named = f"{event.name}/{event.owner()}/{event.subject()}/{draw(st.integers(0, 2))}"  # an id is of one video
    id = str(uuid.uuid5(uuid.NAMESPACE_URL, named))
    at = NOON + timedelta(seconds=draw(st.integers(0, 2)))
    return Received(event, id, draw(st.sampled_from(RUNS)), draw(st.integers(0, 2)), at, record, "f 1", "")


HISTORY = st.lists(facts(), max_size=25)


def folded(history: list[Received]) -> object:
    return fold(put for received in history for put in puts_of(PROJECTIONS, received))


@settings(max_examples=300, deadline=None)
@given(HISTORY, st.randoms())
def test_any_order_and_any_duplicates_give_the_same_tables(history, chance):
    again = [*history, *chance.sample(history, len(history) // 2)]
    chance.shuffle(again)
    assert folded(again) == folded(history)


@settings(max_examples=200, deadline=None)
@given(HISTORY, st.integers(0, 25))
def test_a_rewind_to_any_point_changes_nothing(history, point):
    assert folded([*history, *history[point:]]) == folded(history)


def statuses(history: list[Received]) -> dict[object, str]:
    rows = folded(history).get("videos", {})
    return {key: registers["status"][1][0] for key, registers in rows.items() if "status" in registers}


@settings(max_examples=200, deadline=None)
@given(HISTORY)
def test_completed_outranks_failed_within_a_run_and_a_newer_run_outranks_both(history):
    for (creator, video), status in statuses(history).items():
        mine = [r for r in history if (r.event.owner(), r.event.subject()) == (creator, video)]
        newest = max(r.run_id for r in mine if not isinstance(r.event, NO_STATUS))
        said = {type(r.event) for r in mine if r.run_id == newest}
        if EmbeddingsCompleted in said:
            assert status == "completed"
        elif FunctionFailed in said:
            assert status == "failed"


def test_every_table_lets_go_of_a_deleted_video_but_the_bill_the_spaces_and_the_deletions_themselves():
    """A new table is to be one that forgets."""
    assert {table.name for table in TABLES if not is_about_videos(table)} == {"usage", "spaces", "deleted"}


def in_tables(*batches: list[Received]) -> dict[str, object]:
    """What stands after these batches: deletions look at what is there, and at what comes later."""
    tables: dict[str, dict] = {}
    for batch in batches:
        fold((put for received in batch for put in puts_of(PROJECTIONS, received)), tables)
        tables = remaining(TABLES, tables, marks(tables))
    return {name: rows for name, rows in tables.items() if rows}


def is_gone(received: Received, history: list[Received]) -> bool:
    """Whether it is of a run that is older than a deletion of its video, and no account."""
    return not isinstance(received.event, UsageRecorded | VideoDeleted) and any(
        isinstance(other.event, VideoDeleted)
        and (other.event.owner(), other.event.subject()) == (received.event.owner(), received.event.subject())
        and other.run_id > received.run_id
        for other in history
    )


@settings(max_examples=500, deadline=None)
@given(HISTORY, st.randoms(), st.integers(1, 8))
def test_what_is_deleted_is_as_if_it_had_never_been_said_in_any_order_and_any_batches(history, chance, size):
    again = [*history, *chance.sample(history, len(history) // 2)]
    chance.shuffle(again)
    found = in_tables(*(again[at : at + size] for at in range(0, len(again), size)))
    assert found == folded([one for one in history if not is_gone(one, history)])


def test_the_creator_and_the_title_stay_when_the_request_comes_last():
    me = {"creator_id": "a", "video_id": "v"}
    asked = TranscribeRequested(**me, storage_path="p", title="kept")
    done = EmbeddingsCompleted(**me, chunk_set_id="s", space="s/1", chunks=0)
    history = [
        Received(
            event, str(uuid.uuid4()), RUNS[0], 5 - n, NOON, Record(event.name, 0, n, 0, b"", encode(event)), "", ""
        )
        for n, event in enumerate((done, asked))
    ]
    row = folded(history)["videos"]["a", "v"]
    assert row["request"][1][0] == "kept"
    assert row["status"][1][0] == "completed"


def test_a_command_that_chronos_emits_belongs_to_a_later_run_than_the_one_before_it():
    assert emitted_run(RUNS[2], "cause", "a", "v")[:13] == RUNS[2][:13]
