"""Passages: sentences and clauses of a transcript with their times, small enough to be jumped to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 40  # words; speech without punctuation is cut here, so that a hit is still near its second
SHORTEST = 5  # words; a comma ends a passage only after so many, so that it still says something by itself
_CLAUSE = re.compile(r"[,;:،、，；：][\"'”’)]*$")
_END = re.compile(r"[.!?…。！？]+[\"'”’)]*$")


@dataclass(frozen=True)
class Passage:
    """A sentence, or a clause of one, in the video's time (seconds)."""

    start: float
    end: float
    text: str


def passages(segments: Iterable[Mapping[str, Any]], start: float, end: float) -> list[Passage]:
    """The passages of a transcript's segments (start, end, text, words?) that lie between two times.

    Words' own times are used where they are there; else a segment's time is shared out by its letters.
    """
    found: list[Passage] = []
    current: list[tuple[float, float, str]] = []
    for word in _words(segments):
        if word[1] < start or word[0] > end:
            continue
        current.append(word)
        if _ends(word[2], len(current)):
            found.append(_passage(current))
            current = []
    return [*found, _passage(current)] if current else found


def _ends(word: str, count: int) -> bool:
    """Whether a passage of so many words ends after this one."""
    return bool(_END.search(word)) or count >= LONGEST or (count >= SHORTEST and bool(_CLAUSE.search(word)))


def _passage(words: list[tuple[float, float, str]]) -> Passage:
    return Passage(words[0][0], words[-1][1], " ".join(text.strip() for _, _, text in words))


def _words(segments: Iterable[Mapping[str, Any]]) -> Iterator[tuple[float, float, str]]:
    for segment in segments:
        texts = segment["text"].split()
        timed = segment.get("words") or []
        if len(timed) == len(texts):
            yield from ((word["start"], word["end"], text) for word, text in zip(timed, texts, strict=True))
        else:
            yield from _shared_out(segment, texts)


def _shared_out(segment: Mapping[str, Any], texts: list[str]) -> Iterator[tuple[float, float, str]]:
    letters = sum(map(len, texts)) or 1
    at, span = segment["start"], segment["end"] - segment["start"]
    for text in texts:
        until = at + span * len(text) / letters
        yield round(at, 3), round(until, 3), text
        at = until
