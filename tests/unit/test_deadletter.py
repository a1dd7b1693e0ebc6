"""Dead letters: what other tools read off them, and that a record comes back from one as it was."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import Undecodable
from streams.deadletter import (
    LARGEST_VALUE,
    OURS,
    REDRIVES,
    dead_letter,
    digest,
    read_letter,
    redriven,
)
from streams.record import Record

GROUP = "chronos.transcribe-video"


def raised() -> Undecodable:
    try:
        try:
            raise KeyError("inside")
        except KeyError as cause:
            raise Undecodable("videoId: missing") from cause
    except Undecodable as error:
        return error


RECORD = Record("transcribe.requested", 7, 41, 1_764_000_000_123, b"ada", b"{", [("mine", b"kept")])


def test_connects_tools_find_all_their_headers_as_text():
    said = dict(dead_letter(RECORD, GROUP, raised()).headers)
    told = {name.removeprefix("__connect.errors."): value for name, value in said.items() if "__connect" in name}
    trace = told.pop("exception.stacktrace")
    assert told == {
        "topic": b"transcribe.requested",
        "partition": b"7",
        "offset": b"41",
        "connector.name": GROUP.encode(),
        "task.id": b"0",
        "stage": b"VALUE_CONVERTER",
        "class.name": b"streams.codec.Codec",
        "exception.class.name": b"schemas.avro.Undecodable",
        "exception.message": b"videoId: missing",
    }
    assert trace.startswith(b"Traceback")
    assert b"KeyError" in trace


def test_springs_tools_find_numbers_as_big_endian_bytes_and_the_rest_as_text():
    said = dict(dead_letter(RECORD, GROUP, raised()).headers)
    told = {name.removeprefix("kafka_dlt-"): value for name, value in said.items() if "kafka_dlt-" in name}
    assert told.pop("exception-stacktrace").startswith(b"Traceback")
    assert told == {
        "original-topic": b"transcribe.requested",
        "original-partition": struct.pack(">i", 7),
        "original-offset": struct.pack(">q", 41),
        "original-timestamp": struct.pack(">q", 1_764_000_000_123),
        "original-timestamp-type": b"LogAppendTime",
        "original-consumer-group": GROUP.encode(),
        "exception-fqcn": b"schemas.avro.Undecodable",
        "exception-message": b"videoId: missing",
    }


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([*sorted(OURS), "mine", "ce_id"]) | st.text(max_size=5), st.none() | st.binary(max_size=5)
    )
)
RECORDS = st.builds(
    Record,
    topic=st.sampled_from(["transcribe.requested", "function.failed"]),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(0, 2**40),
    key=st.none() | st.binary(max_size=5),
    value=st.none() | st.binary(max_size=5),
    headers=HEADERS.map(tuple),
)


@given(RECORDS)
def test_a_record_comes_back_from_its_letter_as_it_was(record):
    assert read_letter(dead_letter(record, GROUP, raised())).original() == record


@given(RECORDS)
def test_whatever_stands_on_the_topic_is_read_as_far_as_it_goes(record):
    letter = read_letter(record)
    assert letter.redrives >= 0
    assert letter.original().headers is not None


def test_a_value_over_a_mebibyte_stays_where_it_is_and_its_hash_goes():
    large = Record("transcribe.requested", 1, 2, 3, b"ada", bytes(LARGEST_VALUE + 1), [("mine", b"kept")])
    letter = dead_letter(large, GROUP, raised())
    assert (letter.key, letter.value) == (b"ada", None)
    found = read_letter(letter)
    assert (found.whole, found.sha256, found.bytes) == (False, digest(large.value), LARGEST_VALUE + 1)
    assert found.original().headers == (("mine", b"kept"),)


def test_a_key_or_a_header_that_is_itself_too_large_cannot_stop_the_partition():
    for record in (
        Record("transcribe.requested", 1, 2, 3, bytes(LARGEST_VALUE + 1), b"v"),
        Record("transcribe.requested", 1, 2, 3, b"k", b"v", [("x", bytes(7 * LARGEST_VALUE))]),
    ):
        letter = dead_letter(record, GROUP, Undecodable("x" * 10 * LARGEST_VALUE))
        assert sum(len(name) + len(value or b"") for name, value in letter.headers) < LARGEST_VALUE
        assert (read_letter(letter).whole, read_letter(letter).sha256) == (False, digest(b"v"))


def test_each_redrive_is_counted_on_the_record_itself():
    once = Record("transcribe.requested", 1, 2, 3, b"k", b"v", redriven(RECORD, 1))
    letter = read_letter(dead_letter(once, GROUP, raised()))
    assert letter.redrives == 1
    assert redriven(letter.original(), 2) == (("mine", b"kept"), (REDRIVES, b"2"))
