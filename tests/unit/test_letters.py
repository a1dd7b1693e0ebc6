"""Choosing dead letters: conditions that mean what they say, refusals that stop loops, offsets that skip nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.conditions import BadCondition, condition
from chronos.letters import FIELDS, MOST_REDRIVES, Choice, Summary, plan, summary
from chronos.moments import NoMoment, moment
from schemas.avro import Undecodable, encode
from schemas.event import Coordinates
from schemas.transcription import TranscribeRequested
from streams.codec import Codec
from streams.deadletter import dead_letter, read_letter
from streams.record import Record

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CODEC = Codec({"transcribe.requested": "t", "transcription.completed": "u"})


def letter(partition: int = 0, offset: int = 0, **more: object) -> Summary:
    given = {
        "partition": partition,
        "offset": offset,
        "at": NOON,
        "origin": Coordinates(topic="transcribe.requested", partition=partition, offset=offset),
        "group": "chronos.transcribe-video",
        "type": "Undecodable",
        "reason": "storagePath: Field required",
        "redrives": 0,
        "bytes": 10,
        "whole": True,
        "creator": "ada",
        "video": None,
    }
    return Summary(**(given | more))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("topic=transcribe.requested", True),
        ("topic=transcribe", False),
        ("reason~=STORAGEPATH", True),
        ("creator!=ada", False),
        ("creator != bob", True),
        ("video=v1", False),
        ("video!=v1", True),
        ("video~=v", False),
    ],
)
def test_a_condition_means_what_it_says(text: str, holds: bool):
    assert Choice(conditions=[condition(text, FIELDS)]).takes(letter()) is holds


@pytest.mark.parametrize("text", ["", "topic", "offset=3", "reason~text", "=x"])
def test_a_condition_that_says_nothing_is_refused_with_the_fields_that_there_are(text: str):
    with pytest.raises(BadCondition, match="reason"):
        condition(text, FIELDS)


def test_what_has_come_back_too_often_is_refused_unless_it_is_forced():
    often = letter(redrives=MOST_REDRIVES)
    assert plan([often], Choice()).refused[0][0] == often
    assert plan([often], Choice(), force=True).chosen == [often]
    assert plan([letter(redrives=MOST_REDRIVES - 1)], Choice()).refused == []


@pytest.mark.parametrize("topic", ["dead-letter", "somebody.elses", ""])
def test_nobody_can_have_us_write_to_a_topic_of_his_choice(topic: str):
    forged = letter(origin=Coordinates(topic=topic, partition=0, offset=0))
    assert plan([forged], Choice(), force=True).chosen == []


def test_a_record_of_before_its_video_was_deleted_does_not_come_back_as_a_new_request():
    old = letter(video="tides")
    deleted = {("ada", "tides"): NOON}
    [(refused, why)] = plan([old], Choice(), force=True, deleted=deleted).refused
    assert refused == old
    assert "was deleted at 2026" in why
    for other in (letter(video="bread"), letter(video="tides", at=NOON + timedelta(seconds=1))):
        assert plan([other], Choice(), deleted=deleted).chosen == [other]


def test_what_goes_nowhere_can_still_be_dropped():
    lost = letter(origin=None)
    assert plan([lost], Choice()).refused
    assert plan([lost], Choice(), drop=True).chosen == [lost]


PLACES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), unique=True)


@given(PLACES, st.sets(st.integers(0, 9)))
def test_the_offset_passes_over_nothing_that_is_not_done_or_written_again(places, wanted):
    letters = [letter(p, o) for p, o in sorted(places)]
    ids = frozenset(one.id for one in letters if one.offset in wanted) or frozenset({"none"})
    found = plan(letters, Choice(ids=ids))
    passed = [one for one in letters if one.offset < found.ends().get(one.partition, 0)]
    assert len(passed) == len(found.chosen) + found.moving()
    assert set(found.chosen) <= set(passed)


def test_letters_of_one_record_send_it_once():
    at = Coordinates(topic="function.failed", partition=0, offset=5)
    assert plan([letter(0, 1, origin=at), letter(1, 7, origin=at)], Choice()).by_topic() == {"function.failed": 1}


def of(value: bytes, topic: str = "transcribe.requested", key: bytes = b"grace", **headers: str) -> Summary:
    told = [(name, text.encode()) for name, text in headers.items()]
    record = Record(topic, 0, 0, 1_764_000_000_000, key, value, told)
    return summary(read_letter(dead_letter(record, "g", Undecodable("no"))), CODEC)


def test_creator_and_video_are_found_where_the_bytes_say_them():
    good = encode(TranscribeRequested(video_id="v1", creator_id="ada", storage_path="p"))
    assert (of(good).creator, of(good).video) == ("ada", "v1")
    half = of(b'{"creator_id": "ada", "videoId": "v2"}')
    assert (half.creator, half.video) == ("ada", "v2")
    old = of(b'{"name": "video/transcribe.requested", "data": {"videoId": "v3"}}')
    assert (old.creator, old.video) == ("grace", "v3")
    blind = of(b"\x00garbage", topic="transcription.completed", key=b"v4", ce_subject="v4")
    assert (blind.creator, blind.video) == (None, "v4")


@given(
    st.binary(max_size=40) | st.recursive(st.just("[]"), lambda inner: inner.map(lambda s: f"[{s}]")).map(str.encode)
)
def test_no_bytes_are_too_strange_to_be_listed(value):
    assert of(value).bytes == len(value)


def test_deep_json_is_only_strange():
    assert of(b'{"a":' * 100_000).video is None


def test_times_are_given_as_people_say_them():
    assert moment("2h", NOON) == NOON - timedelta(hours=2)
    assert moment("2026-11-23", NOON) == NOON - timedelta(hours=36)
    assert moment("2026-11-24T13:00+01:00", NOON) == NOON
    for text in ("", "yesterday", "2y", "999999w"):
        with pytest.raises(NoMoment):
            moment(text, NOON)
