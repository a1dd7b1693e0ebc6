"""What counts as a wrong word where recognition is measured."""

from __future__ import annotations

import pytest

from benchmarks.words import plain, wrong


@pytest.mark.parametrize(
    ("said", "heard", "count"),
    [
        ("He was not an ill disposed young man.", "he was not an ill-disposed young man", 0),
        ("Mister John Dashwood", "Mr. John Dashwood", 0),
        ("He was not an ill disposed young man.", "He was not an old-sposed young man.", 2),
        ("ask not", "ask them not", 1),
        ("ask not what", "not what", 1),
        ("ask not", "", 2),
        ("", "thank you", 2),
    ],
)
def test_a_word_is_wrong_when_it_is_another_is_left_out_or_was_not_said(said: str, heard: str, count: int) -> None:
    assert wrong(plain(said), plain(heard)) == count
