"""Where a group shall begin: kept within the log, and what was never committed is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos import offsets
from chronos.offsets import BadWay, Current, Earliest, Ground, Latest, Listed, Moment, Offset, Shift, targets

A, B, NEW = ("t", 0), ("t", 1), ("t", 2)
GROUND = Ground({A: (10, 50), B: (0, 5), NEW: (0, 7)}, {A: 40, B: 5})
THEN = Moment(datetime(2026, 11, 25, tzinfo=UTC))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (Earliest(), {A: 10, B: 0}),
        (Latest(), {A: 50, B: 5}),
        (Current(), {A: 40, B: 5}),
        (Shift(-3), {A: 37, B: 2}),
        (Shift(-1000), {A: 10, B: 0}),
        (Shift(1000), {A: 50, B: 5}),
        (Offset(20), {A: 20, B: 5}),
        (THEN, {A: 30, B: 5}),  # nothing was written in B since: its end
        (Listed({NEW: 3, A: 99}), {A: 50, NEW: 3}),
    ],
    ids=str,
)
def test_each_way_keeps_within_the_log(way: offsets.Way, expected: dict[offsets.Place, int]) -> None:
    assert targets(way, GROUND, lambda moment: {A: 30}) == expected


def test_a_partition_of_another_group_is_refused() -> None:
    with pytest.raises(BadWay, match="u/0 is no partition that this group reads"):
        targets(Listed({("u", 0): 1}), GROUND, lambda moment: {})


@given(
    st.dictionaries(st.tuples(st.sampled_from(["a.b", "c-d"]), st.integers(0, 11)), st.integers(0, 2**40), min_size=1)
)
def test_what_is_exported_is_what_is_read(places: dict[offsets.Place, int]) -> None:
    text = offsets.to_csv(places)
    assert offsets.parse_file(text, "g").offsets == places
    assert offsets.parse_file("".join(f"g,{line}\n" for line in text.splitlines()), "g").offsets == places


def test_a_time_without_a_zone_is_utc_as_for_kafkas_tool() -> None:
    assert offsets.parse_moment("2026-11-25T08:30:00.000") == datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
    there = datetime(2026, 11, 25, 8, 30, tzinfo=timezone(timedelta(hours=1)))
    assert offsets.parse_moment("2026-11-25T08:30:00.000+01:00") == there


@pytest.mark.parametrize(
    ("text", "expected"),
    [("P7D", timedelta(days=7)), ("PT2H30M", timedelta(hours=2.5)), ("P1DT0.5S", timedelta(days=1, seconds=0.5))],
)
def test_durations_are_iso_8601(text: str, expected: timedelta) -> None:
    assert offsets.parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "7D", "P7", "P1W2D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadWay):
        offsets.parse_duration(text)


def test_a_topic_may_be_named_with_some_of_its_partitions() -> None:
    assert offsets.scope(GROUND.ends, ["t:0,2"]).keys() == {A, NEW}
    assert offsets.scope(GROUND.ends, []) == GROUND.ends
