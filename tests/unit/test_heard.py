"""A provider's answer, placed in the video's time whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.adapters.heard import language, passages
from chronos.languages import code as as_code


def hear(**answer: Any) -> list[tuple[float, float, str]]:
    return [(passage.start, passage.end, passage.text) for passage in passages(answer, 30.5, 40.5)]


def test_without_times_the_text_is_the_whole_segments() -> None:
    assert hear(text=" Hello\n there ") == [(30.5, 40.5, "Hello there")]
    assert hear(text="  ", segments=[]) == []


def test_times_that_make_no_sense_stay_within_the_segment() -> None:
    parts = [
        {"start": 4.0, "end": 1.0, "text": "b"},
        {"start": -3.0, "end": 2.0, "text": "a\u0000"},
        {"start": 9.0, "end": 90.0, "text": "c"},
        {"start": "1", "end": None, "text": "no times"},
        {"start": 1.0, "end": 2.0, "text": ["no text"]},
        "no passage",
    ]
    assert hear(text="a b c", segments=parts) == [
        (30.5, 32.5, "a"),
        (34.5, 34.5, "b"),
        (39.5, 40.5, "c"),
    ]


def test_words_are_shared_among_their_passages() -> None:
    words = [{"word": f" w{at}", "start": at, "end": at + 0.9} for at in range(6)]
    parts = [{"start": 0, "end": 3, "text": "w0 w1 w2"}, {"start": 3, "end": 6, "text": "w3 w4 w5"}]
    beside = {"text": "", "segments": parts, "words": words}
    inside = {"text": "", "segments": [part | {"words": words[i * 3 :][:3]} for i, part in enumerate(parts)]}
    for answer in (beside, inside):
        found = passages(answer, 30.5, 40.5)
        assert [[word.text for word in passage.words or []] for passage in found] == [
            ["w0", "w1", "w2"],
            ["w3", "w4", "w5"],
        ]


@pytest.mark.parametrize(
    ("hint", "sent"),
    [("en", "en"), ("EN-us", "en"), (" de_AT ", "de"), ("english", None), ("", None), (None, None), ("x", None)],
)
def test_a_language_hint_that_is_none_fails_no_video(hint: str | None, sent: str | None) -> None:
    assert as_code(hint) == sent


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"language": "english"}, "en"),
        ({"language": "de"}, "de"),
        ({"languages": [{"code": "fr"}]}, "fr"),
        ({"languages": []}, None),
        ({"language": 7}, None),
        ({}, None),
    ],
)
def test_the_language_is_a_code_however_the_provider_says_it(answer: dict[str, Any], code: str | None) -> None:
    assert language(answer) == code


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "word", "words", "segments", "start", "end", "language"]), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["text", "segments", "words", "language", "languages"]), ANYTHING))
def test_no_answer_breaks_a_run_or_leaves_its_segment(answer: dict[str, Any]) -> None:
    language(answer)
    found = passages(answer, 30.5, 40.5)
    starts = [passage.start for passage in found]
    assert starts == sorted(starts)
    for timed in [*found, *(word for passage in found for word in passage.words or [])]:
        assert 30.5 <= timed.start <= timed.end <= 40.5
        assert timed.text.strip()
