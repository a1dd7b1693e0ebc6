"""Where a reader of the log stands: cuts and joins lose nothing and give nothing twice."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cursor import BadCursor, Cursors, Outdated, Place, Reader
from streams.record import Record
from streams.tail import in_time

TOPICS = {"a": ("uuid-a", 2), "b": ("uuid-b", 3)}
PLACES = [(name, number) for name, (_, count) in TOPICS.items() for number in range(count)]


@given(st.lists(st.integers(0, 2**63 - 1), min_size=5, max_size=5))
def test_a_cursor_is_read_as_it_was_written(offsets: list[int]):
    cursors, given = Cursors(TOPICS), dict(zip(PLACES, offsets, strict=True))
    assert cursors.read(cursors.write(given)) == given


@pytest.mark.parametrize("others", [TOPICS | {"a": ("uuid-new", 2)}, TOPICS | {"b": ("uuid-b", 4)}])
def test_a_cursor_of_other_topics_is_outdated(others: dict[str, tuple[str, int]]):
    with pytest.raises(Outdated):
        Cursors(others).read(Cursors(TOPICS).write({}))


@given(st.text(max_size=80))
def test_what_is_no_cursor_is_refused(text: str):
    with pytest.raises((BadCursor, Outdated)):
        Cursors(TOPICS).read(text)


@pytest.mark.parametrize("content", [[1, 2], [1, 2, 3, 4, -1], [1, 2, 3, 4, "5"], [True] * 5, {"a": 1}, [2**64] * 5])
def test_a_cursor_with_other_content_is_refused(content: Any):
    cursors = Cursors(TOPICS)
    raw = base64.urlsafe_b64decode(cursors.write({}) + "==")[:6] + zlib.compress(json.dumps(content).encode())
    with pytest.raises(BadCursor):
        cursors.read(base64.urlsafe_b64encode(raw).decode())


def test_a_cursor_that_would_fill_the_memory_is_refused():
    bomb = base64.urlsafe_b64encode(b"\0" * 6 + zlib.compress(b" " * 50_000_000)).decode()
    with pytest.raises((BadCursor, Outdated)):
        Cursors(TOPICS).read(bomb)


@st.composite
def logs(draw: st.DrawFn) -> list[Place]:
    """Records in the order in which a server's tail has them."""
    return draw(st.lists(st.sampled_from(PLACES), max_size=40))


@given(logs(), st.data())
def test_a_reader_that_is_cut_off_again_and_again_has_each_record_once(log: list[Place], data: st.DataObject):
    """Each time a server whose tail stands anywhere takes it on: what lies between is read partition by partition, in
    any order; then comes what the tail has from there on, all of it or what is wanted."""
    numbered = _numbered(log)
    wanted = set(data.draw(st.lists(st.sampled_from(numbered), unique=True))) if numbered else set()
    had: list[tuple[Place, int]] = []
    reader = Reader({})
    for _ in range(data.draw(st.integers(0, 5))):
        reader = Reader(reader.next)  # its cursor is all that is left of it
        joined = data.draw(st.integers(0, len(numbered)))
        until = _after(numbered[:joined])
        missed = [one for one in numbered[:joined] if one[1] >= reader.next.get(one[0], 0)]
        between = data.draw(st.permutations(PLACES))
        merged = [one for place in between for one in missed if one[0] == place]
        stop = data.draw(st.integers(0, len(merged)))
        had += [one for one in merged[:stop] if one in wanted and reader.takes(*one)]
        if stop < len(merged):
            continue
        reader.has_had(until)
        for n in range(joined, data.draw(st.integers(joined, len(numbered)))):
            if numbered[n] in wanted and reader.takes(*numbered[n]):
                had.append(numbered[n])
                reader.has_had(_after(numbered[: n + 1]))
    last = [one for one in numbered if one in wanted and reader.takes(*one)]
    assert sorted(had + last) == sorted(wanted)


def _numbered(log: list[Place]) -> list[tuple[Place, int]]:
    return [(place, log[:n].count(place)) for n, place in enumerate(log)]


def _after(records: list[tuple[Place, int]]) -> dict[Place, int]:
    return {place: offset + 1 for place, offset in records}


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 9))))
def test_records_are_put_into_the_order_of_their_times_and_those_of_a_partition_stay_in_theirs(
    some: list[tuple[Place, int]],
):
    times = [time for _, time in some]
    records = [
        (Record(place[0], place[1], offset, time, None, None), None)
        for (place, offset), time in zip(_numbered([place for place, _ in some]), times, strict=True)
    ]
    merged = [record for record, _ in in_time(records)]
    assert len(merged) == len(records)
    for place in PLACES:
        offsets = [record.offset for record in merged if (record.topic, record.partition) == place]
        assert offsets == sorted(offsets)
    if all(times[n] <= times[n + 1] for n in range(len(times) - 1)):
        assert [record.timestamp_ms for record in merged] == times
