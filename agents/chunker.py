"""Cuts a transcript into overlapping chunks at sentence ends, each with its place in the video's time. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from agents.timing import Clock, letters
from schemas.embedding import Chunk
from schemas.transcription import Transcript


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


Counter = Callable[[str], int]  # the tokens of a text


def chunk(transcript: Transcript, chunking: Chunking = DEFAULT, counter: Counter | None = None) -> list[Chunk]:
    """The transcript's chunks, in order. Up to `longest` words are one chunk; no words are none.

    Args:
        counter: for what is said of a chunk; where it is cut goes by an estimate, whatever models embed it.
    """
    words = _words(transcript)
    quarters = _quarters(words.texts)
    times = _Times(transcript, words)
    return [
        Chunk(
            index=index,
            text=text,
            start_seconds=began,
            end_seconds=ended,
            words=end - start,
            tokens=counter(text) if counter else -(-(quarters[end] - quarters[start]) // 4),
        )
        for index, (start, end) in enumerate(_borders(words, quarters, chunking))
        for began, ended in (times.between(start, end),)
        for text in ("".join(words.texts[start:end]).strip(),)
    ]


_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SOUTH_EAST_ASIAN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_LONGEST_WORD = 24
_MOST_MARKS = 5000  # after a letter of Chinese or Japanese; more than `tokens` is no text that a provider takes
_PIECE = re.compile(  # a letter of Chinese or Japanese; about a word of Thai, Lao, Burmese, Khmer; a word of the rest
    rf"[{_EAST_ASIAN}][、。，．！？：；」』）】〉》…]{{0,{_MOST_MARKS}}}"
    rf"|[{_SOUTH_EAST_ASIAN}]{{1,5}}"
    rf"|[^\s{_EAST_ASIAN}{_SOUTH_EAST_ASIAN}]{{1,{_LONGEST_WORD}}}"
)
_SPACELESS = re.compile(rf"[{_EAST_ASIAN}{_SOUTH_EAST_ASIAN}]")
_JOINED = re.compile(rf" ?[{_EAST_ASIAN}]")
SENTENCE_END = re.compile(r"[.!?…。．！？।۔؟]+[\"'”’»」』）)\]]*$")


@dataclass(frozen=True)
class _Words:
    """What stands between spaces, or pieces of it where a script has no spaces or a run has no end."""

    texts: list[str]  # each with the space before it, where there is one
    passages: list[int]  # the first word of each of the transcript's segments

    def ends_sentence(self, end: int) -> bool:
        return SENTENCE_END.search(self.texts[end - 1]) is not None

    def ends_passage(self, end: int) -> bool:
        place = bisect_left(self.passages, end)
        return place < len(self.passages) and self.passages[place] == end

    def passage(self, word: int) -> int:
        """The number of the segment that a word stands in."""
        return bisect_right(self.passages, word) - 1


def _words(transcript: Transcript) -> _Words:
    texts: list[str] = []
    passages: list[int] = []
    for segment in transcript.segments:
        passages.append(len(texts))
        pieces = _pieces(segment.text)
        if texts and pieces and _JOINED.match(texts[-1]) and _JOINED.match(pieces[0]):
            pieces[0] = pieces[0][1:]
        texts += pieces
    return _Words(texts, passages)


def _pieces(text: str) -> list[str]:
    words = text.split()
    if max(map(len, words), default=0) <= _LONGEST_WORD and (text.isascii() or not _SPACELESS.search(text)):
        return [" " + word for word in words]
    return [" " * (place == 0) + piece for word in words for place, piece in enumerate(_PIECE.findall(word))]


def _quarters(texts: Sequence[str]) -> list[int]:
    """Quarters of a token before each word, and in all: an estimate, without a tokenizer."""
    weigh = len if all(map(str.isascii, texts)) else _weight
    return list(accumulate(map(weigh, texts), initial=0))


def _weight(text: str) -> int:
    """Four ASCII characters a token, and a token for each other character."""
    return len(text) if text.isascii() else 4 * len(text) - 3 * len(text.encode("ascii", "ignore"))


class _Times:
    """The place of words in the video's time: where their letters lie among those of the provider's timed words.

    The provider's words often lack punctuation, or are cut otherwise, so letters are counted rather than words. Asked
    for chunks from first to last, times never run backwards.
    """

    def __init__(self, transcript: Transcript, words: _Words) -> None:
        self._segments, self._words = transcript.segments, words
        self._clocks: dict[int, Clock] = {}
        self._counted = (0, 0, 0)  # a passage, a word of it, and the letters between: none is counted twice
        self._latest = 0.0

    def between(self, start: int, end: int) -> tuple[float, float]:
        """(start, end) in seconds of the words from start to before end."""
        passage = self._words.passage(start)
        self._counted = passage, start, self._letters_before(passage, start)
        began = self._latest = max(self._latest, self._clock(passage).start(self._counted[2]))
        passage = self._words.passage(end - 1)
        return began, max(began, self._clock(passage).end(self._letters_before(passage, end)))

    def _letters_before(self, passage: int, word: int) -> int:
        """Letters of a passage before a word of it."""
        counted, since, before = self._counted
        if counted != passage:
            since, before = self._words.passages[passage], 0
        return before + letters("".join(self._words.texts[since:word]))

    def _clock(self, passage: int) -> Clock:
        clock = self._clocks.get(passage)
        if clock is None:
            segment = self._segments[passage]
            clock = self._clocks[passage] = Clock.of(segment)
        return clock


def _borders(words: _Words, quarters: Sequence[int], chunking: Chunking) -> Iterator[tuple[int, int]]:
    """(start, end) of each chunk in words. None is shorter than `shortest`, unless its tokens forbid more."""
    start, count = 0, len(words.texts)
    while start < count:
        affordable = bisect_right(quarters, quarters[start] + 4 * chunking.tokens) - 1
        last = min(start + chunking.longest, max(start + 1, affordable))
        if last >= count:
            yield start, count
            return
        leaving_enough = count - chunking.shortest + chunking.overlap
        if leaving_enough >= start + chunking.shortest:
            last = min(last, leaving_enough)
        end = _border(words, min(start + chunking.shortest, last), last, start + chunking.aim)
        yield start, end
        start = max(start + 1, end - chunking.overlap)


def _border(words: _Words, first: int, last: int, aim: int) -> int:
    """The best place to end in first..last: after a sentence, else after a passage, else anywhere; nearest the aim."""
    aim = min(max(aim, first), last)
    for good in (words.ends_sentence, words.ends_passage):
        for end in _outward(first, last, aim):
            if good(end):
                return end
    return aim


def _outward(first: int, last: int, aim: int) -> Iterator[int]:
    """first..last, nearest the aim first, of two as near the earlier."""
    for distance in range(last - first + 1):
        if aim - distance >= first:
            yield aim - distance
        if aim + distance <= last:
            yield aim + distance
