"""Whatever a consumer leaves out is delivered in the end, in order, and gaps of the log itself hold up nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.continuity import READINGS, Continuity


@given(
    st.sets(st.integers(0, 60), max_size=20),  # offsets that the log does not have
    st.lists(st.integers(1, 9), min_size=1, max_size=20),  # how many records each fetch brings
    st.dictionaries(st.integers(0, 19), st.integers(1, 9), max_size=READINGS - 1),  # fetches of which the first vanish
    st.integers(0, 20),
)
def test_what_was_thrown_away_is_read_again(gaps: set[int], fetches: list[int], losses: dict[int, int], start: int):
    log = [offset for offset in range(start, 60) if offset not in gaps]
    continuity: Continuity[str] = Continuity()
    continuity.begin("p", start)
    delivered: list[int] = []
    position = start
    for number, size in enumerate([*fetches, *[60] * 60 * READINGS]):
        position = continuity.again().get("p", position)
        batch = [offset for offset in log if offset >= position][:size]
        position = batch[-1] + 1 if batch else position
        delivered += [offset for offset in batch[losses.get(number, 0) :] if continuity.admit("p", offset)]
    assert delivered == sorted(set(delivered))
    lost_for_good = [offset for offset in log if offset not in delivered]
    assert all(offset > max(delivered, default=-1) for offset in lost_for_good)  # at the end: nothing came after them


def test_a_partition_that_was_let_go_begins_where_it_is_told():
    continuity: Continuity[str] = Continuity()
    continuity.begin("p", 5)
    assert continuity.admit("p", 5)
    continuity.forget("p")
    assert continuity.admit("p", 90)
