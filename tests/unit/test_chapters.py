"""Chapters: they begin where the subject changes, and say in words what is told there and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronos.chapters import NEAREST, Embedded, chapters
from chronos.pieces import Piece, pieces
from schemas.transcription import TranscriptSegment

TIDES = "The moon pulls the water, and the tide comes in. "
BREAD = "The yeast makes the dough rise, and the bread is light. "
EACH = 100.0  # seconds of a chunk


def spoken(*texts: str) -> list[Piece]:
    """Each text as long as a chunk, sentence by sentence."""
    return pieces(TranscriptSegment(start=n * EACH, end=(n + 1) * EACH, text=text * 10) for n, text in enumerate(texts))


def embedded(*subjects: int, noise: float = 0.05) -> list[Embedded]:
    """A chunk for each subject, whose vector is the subject's, nearly."""
    drawn = np.random.default_rng(1).normal(scale=noise, size=(len(subjects), 8))
    vectors = np.eye(8)[list(subjects)] + drawn
    return [Embedded(n * EACH, (n + 1) * EACH, v.astype("<f4").tobytes()) for n, v in enumerate(vectors)]


def test_a_video_about_two_things_is_cut_where_the_second_begins():
    found = chapters(embedded(0, 0, 0, 1, 1, 1), spoken(*[TIDES] * 3, *[BREAD] * 3))
    assert [(one.start, one.end) for one in found] == [(0, 300_000), (300_000, 600_000)]
    assert set(found[0].title.lower().split(", ")) <= {"moon", "pulls", "water", "tide", "comes"}
    assert set(found[1].title.lower().split(", ")) <= {"yeast", "makes", "dough", "rise", "bread", "light"}


def test_a_video_about_one_thing_has_no_chapters():
    assert chapters(embedded(0, 0, 0, 0, noise=0), spoken(*[TIDES] * 4)) == []


def test_where_three_are_wanted_the_slighter_changes_count_too():
    found = chapters(embedded(0, 0, 0, 1, 1, 1), spoken(*[TIDES] * 3, *[BREAD] * 3), least=3)
    assert len(found) == 3
    assert 300_000 in [one.start for one in found]


def test_two_chunks_give_no_three_chapters():
    assert len(chapters(embedded(0, 1), spoken(TIDES, BREAD), least=3)) == 2


def test_a_chapter_begins_at_the_longest_pause_of_the_overlap():
    said = pieces(
        TranscriptSegment(start=start, end=end, text=text)
        for start, end, text in [
            (0, 90, "Tides."),
            (91, 95, "So it is."),
            (99, 101, "Now bread."),
            (102, 200, "Yeast."),
        ]
    )
    chunks = [Embedded(0, 104, b"\0\0\x80\x3f\0\0\0\0"), Embedded(90, 200, b"\0\0\0\0\0\0\x80\x3f")]
    assert [one.start for one in chapters(chunks, said, least=2)] == [0, 99_000]


def test_japanese_is_named_by_its_letters():
    found = chapters(embedded(0, 0, 1, 1), spoken("月が海を引く。", "月が海を引く。", "酵母が育つ。", "酵母が育つ。"))
    assert "月が" in found[0].title
    assert "酵母" in found[1].title


def test_no_words_no_chapters():
    assert chapters([], []) == []
    assert chapters(embedded(0, 1, 2), []) == []


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4), st.floats(0, 1))
@settings(deadline=None)
def test_the_first_is_at_zero_and_none_is_shorter_than_players_take(subjects: list[int], least: int, noise: float):
    found = chapters(embedded(*subjects, noise=noise), spoken(*[TIDES] * len(subjects)), least)
    if not found:
        assert least == 1 or len(subjects) < 2
        return
    starts = [one.start for one in found]
    assert starts[0] == 0
    assert len(found) >= min(least, len(subjects))
    assert all(one.end - one.start >= NEAREST and one.title for one in found)
    assert [one.end for one in found[:-1]] == starts[1:]


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_same_video_has_the_same_chapters(count: int):
    chunks, said = embedded(*(n // 5 % 3 for n in range(count))), spoken(*[TIDES] * count)
    assert chapters(chunks, said) == chapters(chunks, said)
