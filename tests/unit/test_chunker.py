"""Chunks: every word can be found, at its second, and no text is too long for a provider."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.chunker import CHUNKER, Chunking, chunk, chunker
from schemas.transcription import Transcript, TranscriptSegment, Word

SMALL = Chunking(shortest=10, aim=15, longest=20, overlap=3, tokens=1000)


def transcript(*segments: TranscriptSegment) -> Transcript:
    text = " ".join(segment.text for segment in segments)
    duration = max((segment.end for segment in segments), default=0.0)
    return Transcript(text=text, language="en", duration_seconds=duration, model="m", segments=list(segments))


def spoken(text: str, start: float = 0.0, end: float = 60.0, words: list[Word] | None = None) -> TranscriptSegment:
    return TranscriptSegment(start=start, end=end, text=text, words=words)


def numbered(count: int, every: int = 12) -> str:
    """Distinct words, a sentence end after every few."""
    return " ".join(f"w{index}{'.' if index % every == every - 1 else ''}" for index in range(count))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Distinct words with a full stop here and there, in passages with or without timed words."""
    lengths = draw(st.lists(st.integers(0, 30), max_size=8))
    segments, at, index = [], 0.0, 0
    for length in lengths:
        texts = [f"w{index + place}{draw(st.sampled_from(['', '', '', '.', '?', ',']))}" for place in range(length)]
        index += length
        timed = [
            Word(start=at + place, end=at + place + 0.5, text=re.sub(r"\W", "", text))
            for place, text in enumerate(texts)
        ]
        segments.append(spoken(" ".join(texts), at, at + length, timed if draw(st.booleans()) else None))
        at += length + draw(st.sampled_from([0.0, 2.5]))
    return transcript(*segments)


@given(transcripts())
@settings(deadline=None)
def test_every_word_is_in_a_chunk_and_neighbours_share_the_overlap(heard: Transcript) -> None:
    chunks = [found.text.split() for found in chunk(heard, SMALL)]
    rebuilt = [word for words in chunks[:1] for word in words]
    for words in chunks[1:]:
        assert rebuilt[-SMALL.overlap :] == words[: SMALL.overlap]
        rebuilt += words[SMALL.overlap :]
    assert rebuilt == heard.text.split()


@given(transcripts())
@settings(deadline=None)
def test_no_chunk_is_too_long_and_none_but_an_only_one_too_short(heard: Transcript) -> None:
    chunks = chunk(heard, SMALL)
    assert [found.index for found in chunks] == list(range(len(chunks)))
    for found in chunks:
        assert found.words == len(found.text.split()) <= SMALL.longest
        assert found.words >= SMALL.shortest or len(chunks) == 1


@given(transcripts())
@settings(deadline=None)
def test_times_never_run_backwards_nor_leave_the_video(heard: Transcript) -> None:
    chunks = chunk(heard, SMALL)
    starts, ends = [found.start_seconds for found in chunks], [found.end_seconds for found in chunks]
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert all(0 <= start <= end <= heard.duration_seconds for start, end in zip(starts, ends, strict=True))


@given(st.lists(st.text(max_size=400), max_size=6))
@settings(deadline=None)
def test_any_text_at_all_is_cut_without_losing_a_letter(texts: list[str]) -> None:
    heard = transcript(*(spoken(text, index * 10.0, index * 10.0 + 10) for index, text in enumerate(texts)))
    wanted = "".join("".join(texts).split())
    chunks = chunk(heard, Chunking(shortest=5, aim=7, longest=10, overlap=0, tokens=60))
    assert "".join("".join(found.text for found in chunks).split()) == wanted
    assert all(found.tokens <= 60 + 1 and found.words <= 10 for found in chunks)


def test_nothing_said_gives_no_chunk() -> None:
    assert chunk(transcript()) == []
    assert chunk(transcript(spoken("  "))) == []


def test_up_to_a_thousand_words_are_one_chunk() -> None:
    assert [found.words for found in chunk(transcript(spoken(numbered(1000))))] == [1000]


def test_an_hour_of_speech_has_chunks_of_the_right_size_that_end_with_sentences() -> None:
    chunks = chunk(transcript(*(spoken(numbered(300), at * 100.0, at * 100.0 + 100) for at in range(36))))
    assert all(500 <= found.words <= 1000 for found in chunks)
    assert all(found.text.endswith(".") for found in chunks)
    assert len(chunks) == 17


def test_without_sentences_a_chunk_ends_with_a_passage() -> None:
    heard = transcript(spoken(" ".join("a" * 14), 0, 14), spoken(" ".join("b" * 20), 14, 34))
    assert chunk(heard, SMALL)[0].text == " ".join("a" * 14)


def test_a_chunk_starts_and_ends_at_its_words_times() -> None:
    words = [Word(start=10.0 + at, end=10.5 + at, text=f"w{at}") for at in range(24)]
    chunks = chunk(transcript(spoken(numbered(24), 8.0, 40.0, words)), SMALL)
    assert (chunks[0].start_seconds, chunks[0].end_seconds) == (10.0, 21.5)  # w0 to w11
    assert (chunks[1].start_seconds, chunks[1].end_seconds) == (19.0, 33.5)  # w9 to w23


def test_words_that_the_provider_spells_otherwise_still_find_their_times() -> None:
    words = [Word(start=0, end=1, text="twenty"), Word(start=1, end=2, text="five"), Word(start=5, end=6, text="sheep")]
    found = chunk(transcript(spoken("“Twenty-five — sheep!”", 0.0, 9.0, words)))[0]
    assert (found.start_seconds, found.end_seconds) == (0.0, 6.0)


def test_without_word_times_a_place_is_interpolated_in_its_passage() -> None:
    chunks = chunk(transcript(spoken(" ".join(["word"] * 40), 100.0, 140.0)), SMALL)
    assert chunks[0].start_seconds == 100.0
    assert chunks[0].end_seconds == pytest.approx(115.0, abs=0.1)
    assert chunks[-1].end_seconds == 140.0


def test_chinese_is_cut_at_its_full_stops_and_joined_without_spaces() -> None:
    sentence = "日志是有序的记录。"
    heard = transcript(spoken(sentence * 200, 0, 400), spoken(sentence * 200, 400, 800))
    chunks = chunk(heard)
    assert all(found.text.endswith("。") and " " not in found.text for found in chunks)
    assert all(500 <= found.words <= 1000 for found in chunks)


def test_a_run_without_spaces_is_bounded() -> None:
    chunks = chunk(transcript(spoken("x" * 100_000)))
    assert all(found.words <= 1000 and len(found.text) <= 24_000 for found in chunks)


def test_a_run_of_marks_without_end_is_bounded() -> None:
    chunks = chunk(transcript(spoken("日" + "。" * 30_000)))
    assert sum(len(found.text) for found in chunks) >= 30_001
    assert all(found.tokens <= 6001 for found in chunks)


@pytest.mark.parametrize("word", ["மொழிபெயர்ப்பு", "ความรู้", "🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵🎵"])
def test_scripts_that_cost_many_tokens_stay_under_the_providers_limit(word: str) -> None:
    chunks = chunk(transcript(spoken(" ".join([word] * 3000))))
    assert len(chunks) > 1
    assert all(found.tokens <= 6001 for found in chunks)


def test_a_model_that_counts_otherwise_changes_no_border() -> None:
    heard = transcript(spoken(numbered(3000)))
    estimated, counted = chunk(heard), chunk(heard, counter=lambda text: len(text.split()))
    assert [(one.text, one.start_seconds) for one in counted] == [(one.text, one.start_seconds) for one in estimated]
    assert [one.tokens for one in counted] == [one.words for one in estimated] != [one.tokens for one in estimated]


def test_the_chunkers_name_says_its_settings() -> None:
    assert CHUNKER == chunker() != chunker(SMALL)
    assert "longest=1000" in CHUNKER


@pytest.mark.parametrize("wrong", [{"overlap": 500}, {"longest": 800}, {"tokens": 100}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Chunking"):
        Chunking(**wrong)
