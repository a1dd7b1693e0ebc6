"""Whatever bytes stand on a topic, a worker reads an event or a reason: anything else would stop its partition."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.all import PROJECTIONS
from schemas.avro import HEADER, Undecodable, data_schema, encode
from schemas.catalogue import CATALOGUE
from schemas.released import by_id
from streams.codec import Codec, Received
from streams.deadletter import dead_letter
from streams.envelope import Envelope, parse_envelope, read_headers
from streams.projection import puts_of
from streams.record import Record
from tests.golden.examples import EXAMPLES

NAMES = sorted(CATALOGUE)
CODEC = Codec(dict.fromkeys(NAMES, "0" * 22))
WRITTEN = {type(event).name: encode(event) for event in EXAMPLES}

OURS = [
    "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "ce_correlationid", "ce_causationid",
    "ce_sequence", "ce_function", "ce_dataschema", "traceparent",
]  # fmt: skip
LIKELY = [
    b"00000000-0000-0000-0000-000000000000", b"{00000000000000000000000000000000}", b"2026-01-01T00:00:00Z",
    b"2026-01-01", b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"-1", b"1_0", b"\xd9\xa3", b"9" * 5000,
    b"\xff", b"", b"NaN", *(data_schema(event).encode() for event in CATALOGUE.values()),
]  # fmt: skip
headers = st.lists(
    st.tuples(
        st.sampled_from(OURS) | st.text(max_size=20), st.none() | st.sampled_from(LIKELY) | st.binary(max_size=40)
    ),
    max_size=14,
)
GOOD = Envelope("0" * 32, "t", "s", datetime(2026, 1, 1, tzinfo=UTC), "v", "0" * 32, "c", 7, "f 1", "").headers()
whole = st.dictionaries(st.sampled_from(OURS), st.sampled_from(LIKELY) | st.binary(max_size=20), max_size=2).map(
    lambda changed: list({**dict(GOOD), **changed}.items())
)
framed = st.builds(
    lambda id, body: HEADER.pack(0, id) + body, st.sampled_from(sorted(by_id())), st.binary(max_size=200)
)
values = st.none() | st.binary(max_size=200) | framed | st.sampled_from(sorted(WRITTEN.values()))


def read(record: Record) -> Received | None:
    """What the worker would do: the event, or the reason on the dead-letter topic."""
    try:
        found = CODEC.read(record)
    except Undecodable as error:
        dead_letter(record, "group", error)
        return None
    assert isinstance(found, Received)
    assert isinstance(found.event.key(), str)
    assert "\0" not in found.event.key() + found.event.subject()
    for put in puts_of(PROJECTIONS, found):
        assert len(put.at) == 65
    return found


@given(
    topic=st.sampled_from([*NAMES, "dead-letter", "", "no-topic"]),
    value=values,
    headers=headers | whole,
    stamp=st.integers(0, 253_402_300_799_999),
)
def test_any_bytes_and_headers_are_an_event_or_a_reason(
    topic: str, value: bytes | None, headers: list[tuple[str, bytes | None]], stamp: int
) -> None:
    read(Record(topic, 3, 14, stamp, None, value, tuple(headers)))


@given(
    name=st.sampled_from(sorted(WRITTEN)),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4),
    length=st.integers(0, 5000),
    after=st.binary(max_size=10),
)
def test_a_damaged_event_is_an_event_or_a_reason(
    name: str, changes: list[tuple[int, int]], length: int, after: bytes
) -> None:
    value = bytearray(WRITTEN[name])
    for place, byte in changes:
        value[place % len(value)] = byte
    read(Record(name, 0, 0, 0, b"\xff\x00", bytes(value[:length] + after)))


@given(name=st.sampled_from(sorted(WRITTEN)), other=st.sampled_from(sorted(WRITTEN)), schema=st.sampled_from(LIKELY))
def test_an_event_of_another_topic_or_schema_is_no_event_of_this_one(name: str, other: str, schema: bytes) -> None:
    found = read(Record(name, 0, 0, 0, b"", WRITTEN[other], (("ce_dataschema", schema),)))
    assert found is None or found.event.name == name


@given(headers | whole)
def test_any_headers_are_an_envelope_that_can_be_written_again_or_none(given: list[tuple[str, bytes | None]]) -> None:
    envelope = parse_envelope(read_headers(given))
    if envelope is not None and envelope.type and envelope.source:
        assert parse_envelope(read_headers(envelope.headers())) == envelope


@pytest.mark.parametrize("stamp", [-1, 0, 253_402_300_800_000, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_a_clock_that_is_wrong_by_ages_does_not_stop_a_partition(name: str, stamp: int) -> None:
    """A producer may write any number there; the broker's own is for commands alone."""
    found = read(Record(name, 0, 0, stamp, b"", WRITTEN[name]))
    assert found
    assert 0 <= found.sequence < 2**63
    assert found.at >= datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_its_zone_leads_out_of_the_calendar_is_no_envelope(time: str) -> None:
    assert parse_envelope({**read_headers(GOOD), "time": time}) is None


@pytest.mark.parametrize("field", ["video_id", "creator_id", "batch_id", "space"])
def test_an_id_with_a_nul_is_never_taken_for_the_one_without(field: str) -> None:
    """Postgres holds no NUL: "ada\\0" would be folded into the rows of "ada"."""
    for event in EXAMPLES:
        if getattr(event, field, None) and getattr(event, field) in (event.key(), event.subject(), event.owner()):
            forged = event.model_copy(update={field: f"{getattr(event, field)}\0"})
            assert read(Record(event.name, 0, 0, 0, b"", encode(forged))) is None
