"""Chapters where the subject changes: a guess out of the vectors of a video's chunks, and words to name each. Pure.

TextTiling (Hearst, Computational Linguistics 23, 1997), with vectors for its counts of words: where the chunks before a
place are less like those after it than around, a chapter begins. A place is as exact as chunks overlap; the title is
made of the words that are said in this chapter and hardly in the others, and nobody has read it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chronos.pieces import Piece, joined

WINDOW = 2
"""Chunks before and behind a place that are compared. One is restless, more see no chapter of ten minutes."""

FLAT = 0.01  # a dip that is less deep is rounding: the same text said twice differs by more
NEAREST = 10_000  # milliseconds; YouTube takes no shorter chapter
TITLE = 3  # words
LONG = 8  # letters; above it a word is as rare as it can be
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")


@dataclass(frozen=True)
class Embedded:
    """A chunk of the set that search uses. Times in seconds."""

    start: float
    end: float
    vector: bytes  # float32, little-endian


@dataclass(frozen=True)
class Chapter:
    """A part of a video that is about one thing. Times in milliseconds."""

    start: int
    end: int
    title: str


def chapters(chunks: Sequence[Embedded], said: Sequence[Piece], least: int = 1) -> list[Chapter]:
    """Its chapters, the first at 0; none where the subject does not change.

    Args:
        least: as many at least, though the changes be slight, if there are chunks enough.
    """
    if not said:
        return []
    places = [place(before, chunk, said) for before, chunk in pairwise(chunks)]
    starts = sorted({0, *_chosen(_likeness(chunks), places, said[-1].end, least)})
    if len(starts) == 1:
        return []
    spans = list(pairwise([*starts, said[-1].end]))
    parts = [[piece for piece in said if start <= piece.start < end] for start, end in spans]
    parts[-1] += [piece for piece in said if piece.start >= spans[-1][1]]
    return [Chapter(*span, title) for span, title in zip(spans, titles(parts), strict=True)]


def _likeness(chunks: Sequence[Embedded]) -> list[float]:
    """Between each two neighbours: the cosine of the sums of the vectors before and behind."""
    vectors = [np.frombuffer(chunk.vector, "<f4") for chunk in chunks]
    return [
        _cosine(_sum(vectors[max(0, place - WINDOW) : place]), _sum(vectors[place : place + WINDOW]))
        for place in range(1, len(vectors))
    ]


def _sum(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Each as long as the other."""
    total: NDArray[np.float32] = np.sum([vector / (np.linalg.norm(vector) or 1.0) for vector in vectors], axis=0)
    return total


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / ((np.linalg.norm(one) * np.linalg.norm(other)) or 1.0))


def _chosen(likeness: Sequence[float], places: Sequence[int], end: int, least: int) -> list[int]:
    """Places of chapters: valleys that are deeper than Hearst's cutoff, the deepest first, and the steepest of the
    slopes where too few are."""
    depths = [_depth(likeness, at) for at in range(len(likeness))]
    cutoff = max(FLAT, float(np.mean(depths) - np.std(depths) / 2)) if depths else 0.0
    dips = [depth * (depth > cutoff and _is_valley(likeness, at)) for at, depth in enumerate(depths)]
    found = [0, end]
    for dip, _, at in sorted(zip(dips, depths, places, strict=True), reverse=True):
        if (dip or len(found) <= least) and all(abs(at - other) >= NEAREST for other in found):
            found.append(at)
    return found[2:]


def _depth(likeness: Sequence[float], place: int) -> float:
    """How far it rises from a place to the tops on both sides."""
    return _top(likeness[place::-1]) + _top(likeness[place:]) - 2 * likeness[place]


def _top(way: Sequence[float]) -> float:
    """The height at which a way that begins here stops rising."""
    return next((here for here, there in pairwise(way) if there < here), way[-1])


def _is_valley(likeness: Sequence[float], place: int) -> bool:
    return likeness[place] <= min(likeness[max(0, place - 1) : place + 2])


def place(before: Embedded, chunk: Embedded, said: Sequence[Piece]) -> int:
    """Where a chapter begins that begins between two chunks: at the sentence within their overlap that follows the
    longest pause; of equals the one nearest its middle. Milliseconds."""
    first, last = round(1000 * min(chunk.start, before.end)), round(1000 * max(chunk.start, before.end))
    middle = (first + last) / 2
    starts = [
        (piece.start - other.end, -abs(piece.start - middle), piece.start)
        for other, piece in pairwise(said)
        if first <= piece.start <= last and other.ends_sentence()
    ]
    return max(starts)[2] if starts else round(1000 * chunk.start)


def titles(parts: Sequence[Sequence[Piece]]) -> list[str]:
    """For each part the words that tell it best from the others: tf-idf of Spärck Jones (1972)."""
    counted = [Counter(_words(joined(part))) for part in parts]
    spread = Counter(word for words in counted for word in words)
    return [
        _title(words, {word: math.log(len(parts) / spread[word]) for word in words}) or joined(part[:TITLE]) or "…"
        for words, part in zip(counted, parts, strict=True)
    ]


def _title(words: Counter[str], telling: Mapping[str, float]) -> str:
    """Of words that tell as much the ones that are said first. Long words count more: in every language the common ones
    are short (Zipf 1935), and a chapter alone is too short to know them by their number."""
    best = sorted(words, key=lambda word: -words[word] * telling[word] * min(len(word), LONG))[:TITLE]
    return ", ".join(best).capitalize()


def _words(text: str) -> list[str]:
    """Small, without those of one letter, or two of English; of a script without spaces each two letters."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if word.isascii() or not any("\u3040" <= letter <= "\u9fff" for letter in word):
            found += [word] if len(word.encode()) > 2 else []
        else:
            found += [word[at : at + 2] for at in range(len(word) - 1)]
    return found
