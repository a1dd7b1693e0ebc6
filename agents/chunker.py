"""Cuts a transcript into overlapping chunks at sentence ends, each with its place in the video's time. Pure."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from schemas.embedding import Chunk
from schemas.transcription import Transcript, TranscriptSegment


@dataclass(frozen=True)
class Chunking:
    """How long chunks are, in words. Its repr is part of the chunker's name, and so of each chunk set's identity."""

    shortest: int = 500
    """Below it a passage says too little for a vector of its own."""

    aim: int = 750
    """Half-way, so that a sentence end is found on either side."""

    longest: int = 1000
    """Above it one vector stands for too many subjects to be near any question."""

    overlap: int = 100
    """So that what is said across a border is whole in one of the two. More is paid for twice."""

    tokens: int = 6000
    """Providers take 8,191 a text; the estimate can be a third too low for scripts that tokenizers know badly."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.shortest <= self.aim <= self.longest:
            raise ValueError(f"{self} must have 0 <= overlap < shortest <= aim <= longest")
        if 2 * self.shortest - self.overlap > self.longest + 1:
            raise ValueError(f"{self} leaves last chunks that are too short: longest must be about twice shortest")
        if self.tokens < 50 * max(1, self.overlap):  # a word is at most 25 tokens
            raise ValueError(f"{self} may not get past its overlap: tokens must be at least 50 * overlap")


DEFAULT = Chunking()


def chunker(chunking: Chunking = DEFAULT) -> str:
    """Name, version and settings of what cuts: the `chunker` of transcript.chunked. Raise the version with the rule."""
    return f"sentences/1 {chunking!r}"


CHUNKER = chunker()


def chunk(transcript: Transcript, chunking: Chunking = DEFAULT) -> list[Chunk]:
    """The transcript's chunks, in order. Up to `longest` words are one chunk; no words are none."""
    words = _words(transcript)
    times = _Times(transcript)
    borders = _borders(words, chunking)
    return [_chunk(index, words[start:end], times) for index, (start, end) in enumerate(borders)]


class _Word(NamedTuple):
    """What stands between spaces, or a piece of it where a script has no spaces or a run has no end."""

    text: str
    spaced: bool  # a space stands before it
    break_after: int  # how good a border after it would be: 2 ends a sentence, 1 a passage
    passage: int  # the transcript's segment that it stands in
    letters: tuple[int, int]  # from which to which of the passage's letters: its time is found by them

    def tokens(self) -> float:
        """An estimate, without a tokenizer: four ASCII characters a token, and a token for each other character."""
        if self.text.isascii():
            return (len(self.text) + self.spaced) / 4
        ascii_characters = sum(map(str.isascii, self.text))
        return (ascii_characters + self.spaced) / 4 + len(self.text) - ascii_characters


_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SOUTH_EAST_ASIAN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_PIECE = re.compile(  # a letter of Chinese or Japanese; about a word of Thai, Lao, Burmese, Khmer; a word of the rest
    rf"[{_EAST_ASIAN}][、。，．！？：；」』）】〉》…]*"
    rf"|[{_SOUTH_EAST_ASIAN}]{{1,5}}"
    rf"|[^\s{_EAST_ASIAN}{_SOUTH_EAST_ASIAN}]{{1,24}}"
)
_SENTENCE_END = re.compile(r"[.!?…。．！？।۔؟]+[\"'”’»」』）)\]]*$")
_UNSPACED = re.compile(rf"[{_EAST_ASIAN}]")


def _words(transcript: Transcript) -> list[_Word]:
    words: list[_Word] = []
    for number, segment in enumerate(transcript.segments):
        placed = _placed(number, segment.text)
        if words and placed and _UNSPACED.match(words[-1].text) and _UNSPACED.match(placed[0].text):
            placed[0] = placed[0]._replace(spaced=False)
        words += placed
    return words


def _placed(number: int, text: str) -> list[_Word]:
    """A passage's words."""
    words, letters = [], 0
    for piece in _PIECE.finditer(text):
        word, first = piece.group(), letters
        letters += _letters(word)
        spaced = piece.start() == 0 or text[piece.start() - 1].isspace()
        ends = 2 if not word[-1].isalnum() and _SENTENCE_END.search(word) else 0
        words.append(_Word(word, spaced, ends, number, (first, letters)))
    if words:
        words[-1] = words[-1]._replace(break_after=max(1, words[-1].break_after))
    return words


def _letters(text: str) -> int:
    return len(text) if text.isalnum() else sum(map(str.isalnum, text))


class _Times:
    """The place of words in the video's time: where their letters lie among those of the provider's timed words.

    The provider's words often lack punctuation, or are cut otherwise, so letters are counted rather than words. Asked
    for chunks from first to last, times never run backwards.
    """

    def __init__(self, transcript: Transcript) -> None:
        self._segments = transcript.segments
        self._clocks: dict[int, _Clock] = {}
        self._latest = 0.0

    def between(self, first: _Word, last: _Word) -> tuple[float, float]:
        """(start, end) in seconds of the words from first to last."""
        start = self._latest = max(self._latest, self._clock(first).start(first.letters[0]))
        return start, max(start, self._clock(last).end(last.letters[1]))

    def _clock(self, word: _Word) -> _Clock:
        clock = self._clocks.get(word.passage)
        if clock is None:
            segment = self._segments[word.passage]
            clock = self._clocks[word.passage] = _Clock.of(segment, _letters(segment.text))
        return clock


@dataclass(frozen=True)
class _Clock:
    """Tells the time at a letter of a passage, straight-lined within a timed word."""

    begins: list[float]  # the letter at which each timed word begins
    ends: list[float]
    times: list[tuple[float, float]]

    @classmethod
    def of(cls, segment: TranscriptSegment, letters: int) -> _Clock:
        """From the timed words where there are any, else from the passage as a whole."""
        timed = [(_letters(word.text), word.start, word.end) for word in segment.words or []]
        timed = [word for word in timed if word[0]] or [(max(1, letters), segment.start, segment.end)]
        ends = list(accumulate(count for count, _, _ in timed))
        scale = max(1, letters) / ends[-1]
        scaled = [end * scale for end in ends]
        return cls([0.0, *scaled[:-1]], scaled, [(start, end) for _, start, end in timed])

    def start(self, letter: int) -> float:
        return self._at(letter, max(0, bisect_right(self.begins, letter) - 1))

    def end(self, letter: int) -> float:
        return self._at(letter, min(len(self.ends) - 1, bisect_left(self.ends, letter)))

    def _at(self, letter: int, word: int) -> float:
        begin, end = self.times[word]
        share = (letter - self.begins[word]) / (self.ends[word] - self.begins[word])
        return round(begin + (end - begin) * min(1.0, max(0.0, share)), 3)


def _borders(words: Sequence[_Word], chunking: Chunking) -> Iterator[tuple[int, int]]:
    """(start, end) of each chunk in words. None is shorter than `shortest`, unless its tokens forbid more."""
    used = [0.0, *accumulate(word.tokens() for word in words)]
    start = 0
    while start < len(words):
        affordable = bisect_right(used, used[start] + chunking.tokens) - 1
        if min(start + chunking.longest, affordable) >= len(words):
            yield start, len(words)
            return
        last = min(start + chunking.longest, affordable)
        leaving_enough = len(words) - chunking.shortest + chunking.overlap
        if leaving_enough >= start + chunking.shortest:
            last = min(last, leaving_enough)
        end = _border(words, min(start + chunking.shortest, last), last, start + chunking.aim)
        yield start, end
        start = max(start + 1, end - chunking.overlap)


def _border(words: Sequence[_Word], first: int, last: int, aim: int) -> int:
    """The best place to end in first..last: after a sentence, else after a passage, else anywhere; nearest the aim."""
    return max(range(first, last + 1), key=lambda end: (words[end - 1].break_after, -abs(end - aim)))


def _chunk(index: int, words: Sequence[_Word], times: _Times) -> Chunk:
    start, end = times.between(words[0], words[-1])
    return Chunk(
        index=index,
        text="".join(" " + word.text if word.spaced else word.text for word in words).strip(),
        start_seconds=start,
        end_seconds=end,
        words=len(words),
        tokens=math.ceil(sum(word.tokens() for word in words)),
    )
