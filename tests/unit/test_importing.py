"""What is read of the old system, and which facts are made of it: the same each time, and nothing left to be done."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chronos.imported import CHUNKER, Ways, facts, is_embedded, why_not
from chronos.importing import OtherSettings, Wish, check_fingerprints, heard
from chronos.journal_rebuild import kept
from chronos.old_system import NoOldSystem, OldVideo, checked, columns_of, named, video
from chronos.pipeline import FUNCTIONS
from schemas.embedding import TranscriptChunked
from schemas.transcription import TranscriptionCompleted
from streams.identity import asked_at
from streams.recovery import KeptResult, KeptRun

SPACE = "text-embedding-3-small/2"
AT = datetime(2025, 3, 1, 12, tzinfo=UTC)
WAYS = Ways({function.name: "1-abcdef" for function in FUNCTIONS}, SPACE, key=lambda text: f"key of {text}")
ROW = {
    "id": "tides", "creator": "ada", "title": "Tides", "path": "ada/tides.mp4", "filename": None, "status": "completed",
    "duration": 60.0, "created": AT,
}  # fmt: skip
SPOKEN = {
    "text": "High water. Low water.", "language": "en", "model": None,
    "segments": '[{"start": 0, "end": 30, "text": " High water."},'
    ' {"startTime": 30, "endTime": 60, "text": "Low water."}]',
}  # fmt: skip
CHUNKS = [
    {"text": f"chunk {n}", "start": 30.0 * n, "end": 30.0 * n + 30, "tokens": None, "vector": [1.0, n]} for n in (0, 1)
]


@pytest.fixture
def old() -> OldVideo:
    return video(ROW, SPOKEN, CHUNKS)


def test_the_facts_of_a_video_are_the_same_each_time(old: OldVideo) -> None:
    assert [fact.record for fact in facts(old, WAYS)] == [fact.record for fact in facts(old, WAYS)]
    assert {asked_at(fact.run_id) for fact in facts(old, WAYS)} == {AT}


def test_no_function_has_anything_left_to_do_about_an_imported_video(old: OldVideo) -> None:
    said = list(facts(old, WAYS))
    over = {(run.function, run.input_id) for run in heard(said, WAYS) if isinstance(run, KeptRun) and run.ending}
    wanted = {(f.name, fact.id) for f in FUNCTIONS for fact in said if isinstance(fact.event, f.consumes)}
    assert over == wanted
    assert {name for name, _ in over} == {"transcribe-video", "generate-embeddings", "send-webhooks"}


def test_a_journal_that_is_read_back_from_the_log_holds_the_vectors_and_both_endings(old: OldVideo) -> None:
    found = [one for fact in facts(old, WAYS) for one in kept(fact)]
    vectors = {one.key: one.result for one in found if isinstance(one, KeptResult)}
    assert vectors == {f"key of chunk {n}": struct.pack("<2f", 1.0, n) for n in (0, 1)}
    endings = {one.function for one in found if isinstance(one, KeptRun) and one.ending == "completed"}
    assert endings == {"transcribe-video", "generate-embeddings"}


def test_without_vectors_a_video_is_told_up_to_its_transcript_and_the_embedding_is_left_to_workers(
    old: OldVideo,
) -> None:
    bare = replace(old, chunks=())
    said = list(facts(bare, WAYS))
    assert not is_embedded(bare)
    assert isinstance(said[-1].event, TranscriptionCompleted)
    assert {run.function for run in heard(said, WAYS) if isinstance(run, KeptRun)} == {"transcribe-video"}


def test_silence_needs_no_vectors(old: OldVideo) -> None:
    silent = video(ROW, SPOKEN | {"text": " ", "segments": "[]"}, [])
    (cut,) = (fact.event for fact in facts(silent, WAYS) if isinstance(fact.event, TranscriptChunked))
    assert (cut.chunks, cut.chunker) == ([], CHUNKER)


def test_segments_are_read_under_the_names_that_speech_to_text_gives(old: OldVideo) -> None:
    assert old.transcript is not None
    assert [(s.start, s.end, s.text) for s in old.transcript.segments] == [
        (0, 30, "High water."),
        (30, 60, "Low water."),
    ]


@pytest.mark.parametrize(
    ("row", "spoken", "chunks", "why"),
    [
        ({"path": None}, SPOKEN, CHUNKS, "its storage_path: String should have at least 1 character"),
        ({"id": "\u202e\x07"}, SPOKEN, CHUNKS, "its video_id"),
        ({"creator": None}, SPOKEN, CHUNKS, "its creator_id"),
        ({"status": "failed"}, None, [], "it has no transcript (status failed)"),
        ({}, SPOKEN | {"segments": '[{"text": "no times"}]'}, CHUNKS, "a segment is"),
        ({}, SPOKEN | {"segments": '{"a": 1}'}, CHUNKS, "its segments are no list"),
        ({}, SPOKEN, [CHUNKS[0] | {"start": None}], "has no times"),
        ({}, SPOKEN, [CHUNKS[0] | {"vector": [1.0] * 3}], "a vector has 3 dimensions"),
    ],
)
def test_what_cannot_be_imported_says_why(row: dict, spoken: dict | None, chunks: list, why: str) -> None:
    said = why_not(video(ROW | row, spoken, chunks), SPACE)
    assert said is not None
    assert why in said


def test_nothing_is_wrong_with_a_whole_video(old: OldVideo) -> None:
    assert why_not(old, SPACE) is None


def test_a_name_of_the_old_system_is_quoted_whatever_is_in_it() -> None:
    names = {"videos": {"table": "app.Media", "id": 'i"d; DROP TABLE videos'}}
    assert named('SELECT v.:"videos.id", v.:"videos.title"::text FROM :"videos" AS v', names) == (
        'SELECT v."i""d; DROP TABLE videos", NULL::text FROM "app"."Media" AS v'
    )


def test_columns_are_found_under_their_usual_names_and_under_those_that_were_given() -> None:
    there = {"video_id", "chunk_index", "content", "from", "end_time", "embedding"}
    assert columns_of("chunks", {"start": "from"}, there) == {
        "video": "video_id", "index": "chunk_index", "text": "content", "start": "from", "end": "end_time",
        "vector": "embedding",
    }  # fmt: skip


def test_a_column_that_is_missing_is_named_with_those_that_are_there() -> None:
    with pytest.raises(NoOldSystem, match=r"no column start_time or start_seconds \(they have .*content.*name it"):
        columns_of("chunks", {}, {"video_id", "chunk_index", "content"})
    with pytest.raises(NoOldSystem, match="no column nom"):
        columns_of("videos", {"title": "nom"}, {"id", "user_id", "storage_path"})


@pytest.mark.parametrize(
    "given", [[], {"films": {}}, {"videos": "media"}, {"videos": {"colour": "c"}}, {"videos": {"id": 7}}]
)
def test_a_mapping_that_makes_no_sense_is_refused(given: object) -> None:
    with pytest.raises(NoOldSystem, match="--columns"):
        checked(given)


def test_workers_with_other_settings_are_named_since_they_would_pay_for_everything_again() -> None:
    check_fingerprints(
        {"generate-embeddings": "2-aaaaaa", "delete-video": "1-bbbbbb"}, {"generate-embeddings": "2-aaaaaa"}
    )
    with pytest.raises(OtherSettings, match=r"generate-embeddings runs here as 2-cccccc.*would be 2-aaaaaa.*CHUNKING"):
        check_fingerprints({"generate-embeddings": "2-aaaaaa"}, {"generate-embeddings": "2-cccccc"})


def test_the_plan_does_not_say_who_may_read_the_old_database() -> None:
    assert Wish("postgresql://reader:secret@db.example.org:5432/old", SPACE).source() == "db.example.org/old"
