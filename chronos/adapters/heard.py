"""A speech provider's answer as timed passages in the video's time. Pure, and it trusts nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chronos.guard import Guard
from chronos.languages import BY_NAME
from schemas.transcription import TranscriptSegment, Word


@dataclass(frozen=True)
class _Piece:
    """A passage or a word in the provider's time: seconds from the segment's start."""

    start: float
    end: float
    text: str
    speaker: str | None = None
    doubts: tuple[float | None, float | None, float | None] = (None, None, None)  # see chronos.guard.Guard.believes


def language(answer: dict[str, Any]) -> str | None:
    """The language that the provider heard, as ISO 639-1 where we know its name."""
    several = answer.get("languages")
    named = answer.get("language") or (several[0] if isinstance(several, list) and several else None)
    if isinstance(named, dict):
        named = named.get("code") or named.get("language")
    name = clean(named).lower()
    return BY_NAME.get(name, name) or None


def passages(
    answer: dict[str, Any], start: float, end: float, *, call: int = 1, guard: Guard | None = None
) -> list[TranscriptSegment]:
    """What was said between `start` and `end`, in order. Times stay in there and never run backwards.

    Without times of the provider there is one passage: all that was said, from `start` to `end`. A provider names the
    speakers of each call anew (A, B), so that `call` is a part of their names: nobody is taken for somebody else. What
    the guard does not believe is left out.
    """
    pieces = list(_pieces(answer.get("segments"), "text"))
    if not pieces:
        text = clean(answer.get("text"))
        pieces = [_Piece(0.0, end - start, text)] if text else []
    shared = _shared(pieces, list(_words(answer)))
    clock = _Clock(start, end)
    guard = guard or Guard()
    believed = [(piece, words) for piece, words in zip(pieces, shared, strict=True) if guard.believes(*piece.doubts)]
    timed = [_without_loops(_passage(piece, words, clock), guard) for piece, words in believed]
    timed = [timed[index] for index in guard.kept([one.text for one in timed], longest=1)]
    return [one.model_copy(update={"speaker": f"{one.speaker}{call}"}) if one.speaker else one for one in timed]


def clean(text: object) -> str:
    """Text that every store takes: no control characters, single spaces, none at the ends."""
    if not isinstance(text, str):
        return ""
    return " ".join(
        "".join(" " if ord(character) < 32 or ord(character) == 127 else character for character in text).split()
    )


class _Clock:
    """From the provider's time to the video's, never out of the segment and never backwards."""

    def __init__(self, start: float, end: float) -> None:
        self._start, self._end = start, end

    def place(self, piece: _Piece, after: float | None) -> tuple[float, float]:
        """Where a piece lies, given where the one before it began."""
        start = self._within(piece.start)
        start = max(start, after) if after is not None else start
        return start, max(start, self._within(piece.end))

    def _within(self, seconds: float) -> float:
        return round(min(self._end, max(self._start, self._start + seconds)), 3)


def _passage(piece: _Piece, words: list[_Piece], clock: _Clock) -> TranscriptSegment:
    placed: list[Word] = []
    for word in words:
        begin, stop = clock.place(word, placed[-1].start if placed else None)
        placed.append(Word(start=begin, end=stop, text=word.text))
    begin, stop = clock.place(piece, None)
    return TranscriptSegment(start=begin, end=stop, text=piece.text, words=placed or None, speaker=piece.speaker)


def _without_loops(passage: TranscriptSegment, guard: Guard) -> TranscriptSegment:
    """Its end stays: what the model heard there was no silence."""
    said, words = passage.text.split(), passage.words
    keep = guard.kept(said)
    if len(keep) == len(said):
        return passage
    if words is not None:
        words = [words[index] for index in guard.kept([word.text for word in words])]
    return passage.model_copy(update={"text": " ".join(said[index] for index in keep), "words": words})


def _words(answer: dict[str, Any]) -> Iterable[_Piece]:
    """The timed words: beside the passages, as OpenAI has them, or inside, as some servers do."""
    if isinstance(answer.get("words"), list):
        yield from _pieces(answer["words"], "word")
        return
    segments = answer.get("segments")
    for segment in segments if isinstance(segments, list) else []:
        yield from _pieces(segment.get("words") if isinstance(segment, dict) else None, "word")


def _pieces(found: object, named: str) -> Iterable[_Piece]:
    """What has a start, an end and a text, in the order of time."""
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    pieces = [_piece(item, named) for item in items]
    sound = [piece for piece in pieces if piece.text and math.isfinite(piece.start + piece.end)]
    return sorted(sound, key=lambda piece: piece.start)


def _piece(item: dict[str, Any], named: str) -> _Piece:
    doubts = (_number(item, "no_speech_prob"), _number(item, "avg_logprob"), _number(item, "compression_ratio"))
    who = clean(item.get("speaker")) or None
    return _Piece(_seconds(item, "start"), _seconds(item, "end"), clean(item.get(named)), who, doubts)


def _seconds(item: dict[str, Any], named: str) -> float:
    value = _number(item, named)
    return math.nan if value is None else value


def _number(item: dict[str, Any], named: str) -> float | None:
    value = item.get(named)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else None


def _shared(pieces: list[_Piece], words: list[_Piece]) -> list[list[_Piece]]:
    """The words of each passage: those whose middle lies before its end."""
    shared: list[list[_Piece]] = [[] for _ in pieces]
    at = 0
    for word in words if pieces else []:
        while at < len(pieces) - 1 and (word.start + word.end) / 2 >= pieces[at].end:
            at += 1
        shared[at].append(word)
    return shared
