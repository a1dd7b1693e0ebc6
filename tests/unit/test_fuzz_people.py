"""Whatever JSON a person or a program sends, the answer is the command or what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import Undecodable, decode, encode
from schemas.catalogue import CATALOGUE
from schemas.event import Event
from schemas.people import EXAMPLES, MAX_BYTES, from_json, is_json

TOPICS = sorted(EXAMPLES)
NAMES = sorted({name for one in EXAMPLES.values() for name in one} | {"name", "data", "video_id", "creator_id"})

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["", "\0", "\ud800", "a" * 300, 2**63, -(2**63), 10**400, "2026-03-01T00:00:00Z", "video/x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def door(topic: str, value: bytes) -> Event | None:
    """What was understood can also be written and read, so that nothing can fail later."""
    try:
        event = from_json(topic, value)
    except Undecodable as error:
        error.reason.encode()
        return None
    assert decode(type(event), encode(event)) == event
    event.key().encode()
    return event


@given(topic=st.sampled_from([*TOPICS, "transcription.completed", "nothing"]), value=anything)
def test_any_json_is_a_command_or_a_reason(topic: str, value: Any) -> None:
    door(topic, json.dumps(value).encode())


@given(topic=st.sampled_from(TOPICS), changes=st.dictionaries(st.sampled_from(NAMES), anything, max_size=3))
def test_any_field_of_a_command_may_hold_anything(topic: str, changes: dict[str, Any]) -> None:
    door(topic, json.dumps({**EXAMPLES[topic], **changes}).encode())
    door(topic, json.dumps({"name": topic, "data": {**EXAMPLES[topic], **changes}}).encode())


@given(
    topic=st.sampled_from(TOPICS),
    cut=st.integers(0, 300),
    more=st.binary(max_size=8),
    place=st.integers(0, 300),
)
def test_damaged_json_is_a_command_or_a_reason(topic: str, cut: int, more: bytes, place: int) -> None:
    whole = json.dumps(EXAMPLES[topic]).encode()
    door(topic, whole[:place] + more + whole[place : place + cut])


@given(topic=st.sampled_from(TOPICS), value=st.binary(max_size=60))
def test_any_bytes_behind_a_brace_are_a_reason(topic: str, value: bytes) -> None:
    is_json(value)
    door(topic, b"{" + value)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(
    "value",
    [
        b"{" * 200_000,
        b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
        b'{"videoId":' + b"[" * 400_000 + b"]" * 400_000 + b"}",
        b'{"videoId": 1' + b"0" * 100_000 + b"}",
        b'{"videoId": 1e999999}',
        b'{"videoId": NaN, "creatorId": Infinity}',
        b'{"videoId": "\\ud800", "creatorId": "\\udc00"}',
        b'{"videoId": "a", "videoId": "b"}',
        b'{"videoId": "a\\u0000b", "creatorId": "c", "storagePath": "p"}',
        b'{"\\u0000": 1}',
        b'{"videoId": "' + b"x" * MAX_BYTES + b'"}',
        b"\xef\xbb\xbf{}",
        b"{}" * 1000,
        b"{'videoId': 'a'}",
        b'{"filter": {"before": "9999-99-99T99:99:99Z"}, "batchId": "b", "reason": "r"}',
        b'{"filter": {"before": 1e300}, "batchId": "b", "reason": "r"}',
        b'{"filter": {"before": "0001-01-01T00:00:00+23:59"}, "batchId": "b", "reason": "r"}',
        b'{"videoIds": [' + b'"a",' * 200_000 + b'"a"], "batchId": "b", "reason": "r"}',
    ],
    ids=lambda value: repr(value[:24]),
)
def test_json_that_was_made_to_harm_is_a_command_or_a_reason(topic: str, value: bytes) -> None:
    door(topic, value)


@pytest.mark.parametrize(
    ("topic", "field"),
    [("transcribe.requested", "videoId"), ("transcribe.requested", "creatorId"), ("chunk.requested", "videoId"),
     ("embeddings.batch-reprocess", "batchId")],
)  # fmt: skip
def test_an_id_that_no_database_can_hold_is_refused_by_its_name(topic: str, field: str) -> None:
    with pytest.raises(Undecodable, match=field):
        from_json(topic, json.dumps({**EXAMPLES[topic], field: "a\0b"}).encode())


def test_a_name_that_is_given_twice_is_one_of_the_two() -> None:
    given = json.dumps(EXAMPLES["transcribe.requested"])[:-1] + ', "videoId": "second"}'
    event = door("transcribe.requested", given.encode())
    assert event is None or event.subject() == "second"
    assert set(CATALOGUE) > set(TOPICS)
