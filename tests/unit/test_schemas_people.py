"""What a person, or the old runner, writes as JSON is understood, or refused with what to mend."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import Undecodable
from schemas.catalogue import CATALOGUE
from schemas.people import MAX_BYTES, example, from_json, is_json, topic_of

COMMANDS = [name for name, event in CATALOGUE.items() if event.kind == "command"]
SNAKE = {
    "batch_id": "b",
    "reason": "r",
    "filter": {"creator_id": "ada", "model_not": "m", "before": "2026-03-01T00:00:00+01:00"},
}


def raw(payload):
    return json.dumps(payload).encode()


@pytest.mark.parametrize("topic", COMMANDS)
def test_the_example_of_every_command_is_accepted(topic):
    assert from_json(topic, raw(example(topic))).name == topic


@pytest.mark.parametrize("topic", COMMANDS)
def test_the_example_is_the_callers_own_to_change(topic):
    example(topic).clear()
    assert example(topic)


def test_snake_case_is_understood_inside_too():
    event = from_json("embeddings.batch-reprocess", raw(SNAKE))
    assert (event.batch_id, event.filter.model_not) == ("b", "m")


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("video/transcribe.requested", "transcribe.requested"),
        ("embeddings/batch-reprocess", "embeddings.batch-reprocess"),
        ("video/chunk.requested", "chunk.requested"),
        ("transcribe.requested", "transcribe.requested"),
    ],
)
def test_the_old_runners_events_are_still_accepted(name, topic):
    assert topic_of(name) == topic
    assert from_json(topic, raw({"name": name, "data": example(topic), "ts": 1})) == from_json(
        topic, raw(example(topic))
    )


def test_an_old_event_on_the_wrong_topic_is_refused():
    with pytest.raises(Undecodable, match=r"video/chunk\.requested"):
        from_json("transcribe.requested", raw({"name": "video/chunk.requested", "data": example("chunk.requested")}))


def test_all_that_is_wrong_is_named_in_one_line_with_where_to_look():
    with pytest.raises(Undecodable) as refusal:
        from_json("transcribe.requested", b'{"creatorId": 7, "storage_path": ""}')
    reason = refusal.value.reason
    assert "videoId is missing" in reason
    assert "creatorId: input should be a valid string" in reason
    assert "storage_path: string should have at least 1 character" in reason
    assert "chronos send transcribe.requested --example" in reason
    assert "\n" not in reason


def test_a_batch_that_chooses_nothing_is_told_how_to_choose():
    with pytest.raises(Undecodable, match="name videoIds, or a filter"):
        from_json("embeddings.batch-reprocess", b'{"batchId": "b", "reason": "r", "filter": {}}')


def test_a_field_under_both_of_its_names_is_a_choice_that_nobody_made():
    with pytest.raises(Undecodable, match="both given"):
        from_json("transcribe.requested", raw({**example("transcribe.requested"), "video_id": "other"}))


def test_a_time_without_a_zone_is_refused():
    payload = {"batchId": "b", "reason": "r", "filter": {"before": "2026-03-01T00:00:00"}}
    with pytest.raises(Undecodable, match=r"filter\.before.*timezone"):
        from_json("embeddings.batch-reprocess", raw(payload))


def test_a_number_that_the_wire_cannot_carry_is_refused():
    payload = example("chunk.requested")
    payload["transcript"]["offset"] = 2**63
    with pytest.raises(Undecodable, match=r"transcript\.offset"):
        from_json("chunk.requested", raw(payload))


@pytest.mark.parametrize("topic", ["transcription.completed", "dead-letter", "no-such"])
def test_facts_are_not_written_by_people(topic):
    with pytest.raises(Undecodable, match="takes no JSON"):
        from_json(topic, b"{}")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"videoId": NaN}',
        b'{"videoId": "\xff"}',
        b'{"videoId": "\\ud800"}',
        b'{"a":' * 100_000,
        b"[" * 1_000_000,
        b'{"creatorId": ' + b"9" * 100_000 + b"}",
        b"{" + b" " * MAX_BYTES + b"}",
        b'{"name": "video/transcribe.requested", "data": 3}',
        b'{"name": {"deep": []}, "data": {}}',
    ],
    ids=lambda value: value[:20],
)
def test_hostile_json_is_refused_in_a_short_line(value):
    with pytest.raises(Undecodable) as refusal:
        from_json("transcribe.requested", value)
    assert len(refusal.value.reason) < 2_000


def test_ten_thousand_wrong_ids_make_a_short_message():
    with pytest.raises(Undecodable, match="and 9990 more") as refusal:
        from_json("embeddings.batch-reprocess", raw({"batchId": "b", "reason": "r", "videoIds": [1] * 10_000}))
    assert len(refusal.value.reason) < 2_000


@pytest.mark.parametrize("text", ["a\0b", "\n", "v\x7f", "\x85", "\u2028", "\x1b[31m"])
@pytest.mark.parametrize("field", ["videoId", "creatorId"])
def test_an_id_with_a_character_that_nobody_can_see_is_refused_by_its_fields_name(field, text):
    with pytest.raises(Undecodable, match=rf"{field}: character \d is U\+00|{field}: character 1 is U\+2028"):
        from_json("transcribe.requested", raw({**example("transcribe.requested"), field: text}))


def test_a_title_may_have_two_lines_but_nothing_that_tables_cannot_keep():
    assert from_json("transcribe.requested", raw({**example("transcribe.requested"), "title": "two\n\tlines"}))
    with pytest.raises(Undecodable, match=r"title: character 4 is U\+0000, which no table can keep"):
        from_json("transcribe.requested", raw({**example("transcribe.requested"), "title": "two\0lines"}))


def test_ids_inside_lists_and_filters_are_looked_at_too():
    asked = {"batchId": "b", "reason": "r", "videoIds": ["v", "w\0"], "filter": {"creatorId": "c\r"}}
    with pytest.raises(Undecodable, match=r"videoIds: character 2 .*filter\.creatorId: character 2"):
        from_json("embeddings.batch-reprocess", raw(asked))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KEYS = ["videoId", "creator_id", "storagePath", "reason", "transcript", "filter", "videoIds", "batchId", "name", "data"]


@given(st.sampled_from(COMMANDS), st.dictionaries(st.sampled_from(KEYS), ANY_JSON))
def test_any_json_is_an_event_or_refused(topic, payload):
    accepted_or_refused(topic, raw(payload))
    accepted_or_refused(topic, raw({**example(topic), **payload}))


@given(st.sampled_from(COMMANDS), st.binary(max_size=100))
def test_any_bytes_are_an_event_or_refused(topic, value):
    accepted_or_refused(topic, value)
    accepted_or_refused(topic, b"{" + value)


def accepted_or_refused(topic, value):
    try:
        assert from_json(topic, value).name == topic
    except Undecodable as refusal:
        one_line(refusal.reason)


def one_line(reason):
    assert reason
    assert "\n" not in reason


@pytest.mark.parametrize("value", [b"{}", b" \r\n\t{}", b"\xef\xbb\xbf{}"])
def test_json_is_told_from_avro_by_its_first_sign(value):
    assert is_json(value)
    with pytest.raises(Undecodable, match="missing"):
        from_json("transcribe.requested", value)


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x00\x01{", b"[]", b'"{"'])
def test_what_is_not_an_object_is_not_a_persons_command(value):
    assert not is_json(value)
