"""Passages: sentences of a transcript with their times, small enough to be shown and to be jumped to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 40  # words; speech without punctuation is cut here, so that a hit is still near its second
FAR = 2.0  # seconds; a hit that begins this much before its words seems wrong to who listens
_END = re.compile(r"[.!?…。！？]+[\"'”’)]*$")


@dataclass(frozen=True)
class Passage:
    """A sentence or so, in the video's time (seconds)."""

    start: float
    end: float
    text: str
    words: tuple[tuple[float, float, str], ...] = ()


def passages(segments: Iterable[Mapping[str, Any]], start: float, end: float) -> list[Passage]:
    """The sentences of a transcript's segments (start, end, text, words?) between two times.

    Words' own times are used where they are there; else a segment's time is shared out by its letters.
    """
    found: list[Passage] = []
    current: list[tuple[float, float, str]] = []
    for word in _words(segments):
        if word[1] < start or word[0] > end:
            continue
        current.append(word)
        if _END.search(word[2]) or len(current) >= LONGEST:
            found.append(_passage(current))
            current = []
    return [*found, _passage(current)] if current else found


def narrowed(passage: Passage, matches: Iterable[tuple[int, str]]) -> Passage:
    """The passage from where its matching words stand nearest together, if that is well after its beginning.

    Speech without punctuation gives long sentences: their beginning can be seconds before what was looked for.

    Args:
        matches: (number of the word, what it matches), in the order of the words.
    """
    first = _tightest(list(matches))
    if passage.words[first][0] - passage.start < FAR:
        return passage
    return _passage(list(passage.words[first:]))


def _tightest(matches: list[tuple[int, str]]) -> int:
    """The number of the first word of the shortest stretch that has every match; the earliest of equals."""
    wanted = {what for _, what in matches}
    best, span = 0, None
    for i, (start, _) in enumerate(matches):
        seen: set[str] = set()
        for end, what in matches[i:]:
            seen.add(what)
            if seen == wanted:
                if span is None or end - start < span:
                    best, span = start, end - start
                break
    return best


def _passage(words: list[tuple[float, float, str]]) -> Passage:
    return Passage(words[0][0], words[-1][1], " ".join(text.strip() for _, _, text in words), tuple(words))


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
