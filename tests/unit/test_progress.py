"""A rewind is told from a crash: by what was seen of the group's offset before."""

from __future__ import annotations

import pytest

from streams.progress import Known, Standing, Wish, stand

NUMBER = 9  # free for a rewind that is found out


@pytest.mark.parametrize(
    ("known", "committed", "expected"),
    [
        (None, None, Standing(None, 0, False, "new")),
        (None, 40, Standing(40, 0, False, "new")),
        (Known(40, 3, True), 40, Standing(40, 3, True)),  # a restart
        (Known(40, 3, True), 45, Standing(45, 3, True)),  # a crash before it was noted
        (Known(None, 0, False), 45, Standing(45, 0, False)),
        (Known(40, 3, True), 39, Standing(39, NUMBER, False, "reset")),  # by any tool
        (Known(40, 3, False), None, Standing(40, 3, False, "restored")),  # the broker forgot the group
        (Known(40, 3, False, Wish(7, 4, True)), 40, Standing(7, 4, True, "wanted")),
        (Known(40, 3, False, Wish(7, 4, True)), 7, Standing(7, 4, True, "wanted")),  # it went there, and died
    ],
)
def test_where_a_group_stands(known: Known | None, committed: int | None, expected: Standing) -> None:
    assert stand(known, committed, NUMBER) == expected
