"""Captions: all that was said, once, in lines that can be read."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from chronos.captions import LONGEST, SHORTEST, Cue, captions
from chronos.pieces import LINE
from schemas.transcription import TranscriptSegment, Word

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WRITTEN = [
    "tide",
    "moon.",
    "well,",
    "日本語、",
    "潮の満ち引き。",
    "שלום",
    "مرحبا،",
    "👩‍👩‍👧‍👦",
    "🇩🇪" * 30,
    "é" * 100,
    "-->",
    "<b>",
    "&amp;",
    "…",
]


def said(text: str, start: float = 0.0, end: float = 5.0, words: list[Word] | None = None, speaker: str | None = None):
    return TranscriptSegment(start=start, end=end, text=text, words=words, speaker=speaker)


@st.composite
def transcripts(draw: st.DrawFn) -> list[TranscriptSegment]:
    """Segments of any text, with or without times of words, with and without pauses."""
    segments, at = [], 0.0
    for _ in range(draw(st.integers(0, 6))):
        texts = draw(st.lists(st.one_of(st.sampled_from(WRITTEN), LETTERS), max_size=25))
        long = draw(st.floats(0, 60))
        each = long / max(1, len(texts))
        timed = [Word(start=at + n * each, end=at + (n + 0.9) * each, text=text) for n, text in enumerate(texts)]
        speaker = draw(st.sampled_from([None, "Ada", "Бот"]))
        segments.append(said(" ".join(texts), at, at + long, timed if draw(st.booleans()) else None, speaker))
        at += long + draw(st.sampled_from([0.0, 0.3, 4.0]))
    return segments


def letters(text: str) -> str:
    """A text without what stands between words, and without control characters."""
    return "".join(c for c in "".join(text.split()) if unicodedata.category(c) != "Cc")


@given(transcripts())
@settings(deadline=None)
def test_no_letter_is_lost_or_said_twice(segments: list[TranscriptSegment]):
    shown = "".join(line for cue in captions(segments) for line in cue.lines)
    assert letters(shown) == letters(" ".join(segment.text for segment in segments))


@given(transcripts())
@settings(deadline=None)
def test_each_can_be_read_and_none_overlaps(segments: list[TranscriptSegment]):
    cues = captions(segments)
    for cue in cues:
        assert 1 <= len(cue.lines) <= 2
        assert all(line.strip() and cell_len(line) <= LINE for line in cue.lines)
        assert SHORTEST <= cue.end - cue.start <= LONGEST
    for before, cue in pairwise(cues):
        assert before.end <= cue.start


def test_a_caption_ends_with_a_sentence_or_a_clause_where_there_is_one():
    text = (
        "That is why high water comes about 50 minutes later each day. The moon has gone on by then, and the earth "
        "has to turn a little longer until it stands below it again."
    )
    assert [cue.lines for cue in captions([said(text, 0, 12)])] == [
        ("That is why high water comes", "about 50 minutes later each day."),
        ("The moon has gone on by then,",),
        ("and the earth has to turn a little", "longer until it stands below it again."),
    ]


def test_times_are_those_of_the_words():
    words = [Word(start=float(n), end=n + 0.5, text=text) for n, text in enumerate(("one", "two", "three", "four"), 10)]
    assert captions([said("One, two, three, four.", 0, 60, words)]) == [
        Cue(10_000, 13_500, ("One, two, three, four.",))
    ]


def test_without_times_of_words_a_passage_is_shared_out_by_its_letters():
    (first, second) = captions([said("a" * 42 + " " + "b" * 42 + " " + "c" * 42 + " " + "d" * 42, 0, 14)])
    assert (first.start, first.end, second.start, second.end) == (0, 7000, 7000, 14_000)


def test_nobody_reads_ahead_of_a_silence_and_nobody_speaks_for_another():
    cues = captions([said("Ready?", 0, 0.4), said("Go!", 10, 10.4), said("No.", 10.5, 11, speaker="Ada")])
    assert [(cue.start, cue.end, cue.lines, cue.speaker) for cue in cues] == [
        (0, 1000, ("Ready?",), None),
        (10_000, 11_000, ("Go!",), None),
        (11_000, 12_000, ("No.",), "Ada"),
    ]


def test_east_asian_letters_count_double_and_keep_their_punctuation():
    (cue, *_) = captions([said("潮の満ち引きは月の引力によって起こります。" * 3, 0, 21)])
    assert all(cell_len(line) <= LINE for line in cue.lines)
    assert cue.lines[0].endswith("。")
    assert not re.match("[、。]", cue.lines[-1])


@pytest.mark.parametrize("text", ["שלום לכולם, ברוכים הבאים לשיעור.", "Family 👩‍👩‍👧‍👦 and flag 🇩🇪 and wave 👋🏽."])
def test_right_to_left_text_and_emoji_stay_as_they_are(text: str):
    (cue,) = captions([said(text)])
    assert " ".join(cue.lines) == text


@pytest.mark.parametrize("sign", ["🇩🇪", "👩‍👩‍👧‍👦", "👋🏽", "e\u0301", "นี่"])
def test_no_sign_is_cut_where_a_word_has_no_end(sign: str):
    text = "x" + sign * 100
    lines = [line for cue in captions([said(text, 0, 30)]) for line in cue.lines]
    assert "".join(lines) == text
    assert len(lines) > 1
    assert all(line.removeprefix("x").replace(sign, "") == "" for line in lines)
