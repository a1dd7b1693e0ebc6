"""Every event comes back from its bytes as it was; bytes that are not that event are refused, and never crash."""

import copy
import inspect
import io
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args, get_origin

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime

from schemas.avro import (
    NotFramed,
    Undecodable,
    data_schema,
    decode,
    decode_body,
    encode,
    frame,
    known_by_fingerprint,
    known_by_id,
    parse,
    schema_of,
    unframe,
)
from schemas.catalogue import CATALOGUE
from schemas.event import MAX_LONG, Asked, Count, RunId, Seconds, Sha256, VideoId, Wire
from schemas.spaces import SpaceActivated, SpaceRetired
from schemas.transcription import TranscriptionStarted
from tests.golden.examples import EXAMPLES

PLAIN = {
    str: st.text(max_size=20),
    bytes: st.binary(max_size=20),
    bool: st.booleans(),
    int: st.integers(1, 16_000),
    float: st.floats(0, allow_infinity=False),
    AwareDatetime: st.datetimes(timezones=st.just(UTC)),
    Count: st.integers(0, MAX_LONG),
    Seconds: st.floats(0, allow_infinity=False),
    Sha256: st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    RunId: st.uuids().map(str),
    VideoId: st.text(min_size=1, max_size=200),
}


SEEN = st.characters(exclude_categories=["C", "Zl", "Zp"])
ASKED = {**PLAIN, str: st.text(SEEN, max_size=20), VideoId: st.text(SEEN, min_size=1, max_size=200)}


def values(hint, plain=PLAIN):
    """What a field of this type may hold."""
    arguments = get_args(hint)
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is Annotated:
        return values(arguments[0], plain)
    if get_origin(hint) is Literal:
        return st.sampled_from(arguments)
    if get_origin(hint) is list:
        return st.lists(values(arguments[0], plain), min_size=1, max_size=3)
    if inspect.isclass(hint) and issubclass(hint, Wire):
        return events(hint)
    return st.one_of(*(st.none() if part is type(None) else values(part, plain) for part in arguments))


def events(model):
    hints, plain = inspect.get_annotations(model, eval_str=True), ASKED if issubclass(model, Asked) else PLAIN
    fields = {name: values(hints[name], plain) for name in model.model_fields}
    for name in {"batch_id", "storage_path"} & fields.keys():  # never empty
        fields[name] = plain[VideoId]
    if "video_ids" in fields:  # a batch that chooses nothing is refused
        fields["video_ids"] = st.lists(plain[VideoId], min_size=1, max_size=3)
    return st.fixed_dictionaries(fields).map(lambda given: model(**given))


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=lambda model: model.name)
def test_an_event_comes_back_from_its_bytes_as_it_was(model):
    @given(events(model))
    @settings(max_examples=40, deadline=None)
    def comes_back(event):
        assert decode(model, encode(event)) == event

    comes_back()


def test_a_fact_with_a_character_that_no_command_may_have_is_read_as_it_was_written():
    fact = TranscriptionStarted(video_id="v\0\n", creator_id="\0c", attempt=1)
    assert decode(TranscriptionStarted, encode(fact)) == fact


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_no_broken_copy_of_an_event_does_more_harm_than_being_refused(event):
    good = encode(event)

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def is_refused_or_read(data):
        broken = bytearray(good)
        for _ in range(data.draw(st.integers(1, 3))):
            broken[data.draw(st.integers(5, len(good) - 1))] = data.draw(st.integers(0, 255))
        read_or_refused(type(event), bytes(broken[: data.draw(st.integers(0, len(good)))]))

    is_refused_or_read()


@given(st.sampled_from(list(CATALOGUE.values())), st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_in_one_line(model, body):
    read_or_refused(model, body)
    read_or_refused(model, frame(schema_id_of(model), body))


def read_or_refused(model, value):
    try:
        decode(model, value)
    except Undecodable as refusal:
        one_line(refusal.reason)


def one_line(reason):
    assert reason
    assert "\n" not in reason


def schema_id_of(model):
    return next(i for i in range(1, 100) if known_by_id(i)[:2] == (model.name, model.version))


def test_the_fastest_hostile_lengths_are_refused_without_taking_memory():
    for body in (b"\xff" * 9 + b"\x7f", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x01" * 50, b"\x80" * 5_000):
        with pytest.raises(Undecodable):
            decode_body(TranscriptionStarted, body, schema_of("transcription.started", 1))


def test_a_moment_outside_the_calendar_is_refused():
    retried = next(event for event in EXAMPLES if event.name == "function.retried")
    plain = parse(without_logical_types(schema_of("function.retried", 1)))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, plain, {**retried.model_dump(by_alias=True), "retryAt": MAX_LONG})
    with pytest.raises(Undecodable, match=r"function\.retried"):
        decode_body(type(retried), out.getvalue(), schema_of("function.retried", 1))


def test_moments_are_read_as_moments_when_the_writer_called_them_plain_numbers():
    retried = next(event for event in EXAMPLES if event.name == "function.retried")
    _, body = unframe(encode(retried))
    assert decode_body(type(retried), body, without_logical_types(schema_of("function.retried", 1))) == retried


def without_logical_types(schema):
    changed = copy.deepcopy(schema)
    for field in changed["fields"]:
        if isinstance(field["type"], dict) and "logicalType" in field["type"]:
            field["type"] = "long"
    return changed


def test_an_event_is_never_read_as_another_of_the_same_shape():
    activated = encode(SpaceActivated(space="m/3", by="Ada", why="filled"))
    with pytest.raises(Undecodable, match=r"chronos\.SpaceRetired was expected.*SpaceActivated"):
        decode(SpaceRetired, activated)


def test_bytes_after_the_event_are_refused_since_something_else_was_written():
    value = encode(TranscriptionStarted(video_id="v", creator_id="c", attempt=1))
    with pytest.raises(Undecodable, match="1 bytes are left over"):
        decode(TranscriptionStarted, value + b"\x00")


def test_a_value_that_breaks_the_events_rules_is_refused_by_its_name():
    out = io.BytesIO()
    schema = schema_of("transcription.started", 1)
    fastavro.schemaless_writer(out, schema, {"videoId": "v", "creatorId": "", "attempt": -1})
    with pytest.raises(Undecodable, match=r"creatorId: .*; attempt: "):
        decode_body(TranscriptionStarted, out.getvalue(), schema)


@pytest.mark.parametrize("value", [b"", b"\x00\x00", b'{"videoId": "v"}', b"\x01\x00\x00\x00\x01rest"])
def test_what_is_not_framed_is_called_so(value):
    with pytest.raises(NotFramed, match="0x00"):
        unframe(value)


def test_the_frame_is_the_one_that_every_client_knows():
    assert frame(258, b"body") == b"\x00\x00\x00\x01\x02body"
    assert unframe(b"\x00\x00\x00\x01\x02body") == (258, b"body")


def test_an_unknown_id_is_no_event_and_says_so():
    assert known_by_id(4_000_000_000) is None
    with pytest.raises(Undecodable, match="4000000000"):
        decode(TranscriptionStarted, frame(4_000_000_000, b"body"))


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=lambda model: model.name)
def test_the_header_names_the_schema_that_the_frame_does(model):
    assert known_by_fingerprint(data_schema(model)) == known_by_id(schema_id_of(model))
    assert known_by_fingerprint("no such") is None


@pytest.mark.parametrize("schema", [{}, {"type": "record"}, {"type": "record", "name": "X"}, {"name": 3}, "string"])
def test_a_registrys_nonsense_is_refused(schema):
    with pytest.raises(Undecodable):
        decode_body(TranscriptionStarted, b"", schema)


def test_a_stranger_who_knows_fewer_fields_and_more_is_read():
    schema = copy.deepcopy(schema_of("transcribe.requested", 1))
    schema["fields"] = [f for f in schema["fields"] if f["name"] != "title"] + [{"name": "theirs", "type": "string"}]
    requested = EXAMPLES[0]
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parse(schema), {**requested.model_dump(by_alias=True), "theirs": "x"})
    assert decode_body(type(requested), out.getvalue(), schema) == requested.model_copy(update={"title": None})


def test_a_time_of_another_zone_is_the_same_moment():
    retried = next(event for event in EXAMPLES if event.name == "function.retried")
    elsewhere = type(retried).model_validate(
        retried.model_dump() | {"retry_at": datetime.fromisoformat("2026-03-01T14:00:00+02:00")}
    )
    assert decode(type(retried), encode(elsewhere)).retry_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
