"""Captions out of a transcript: lines that can be read in the time that they stand there. Pure.

The limits are those of broadcasters (BBC, Netflix): two lines of 42 letters, 1 to 7 seconds, one speaker at a time,
ended where a sentence or a clause ends where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from chronos.pieces import LINE, Piece, joined, pieces, width
from schemas.transcription import TranscriptSegment

SHORTEST, LONGEST = 1_000, 7_000  # milliseconds on the screen
PAUSE = 1_500  # milliseconds; what is said after it is another caption: nobody wants to read ahead of a silence
ENOUGH = LINE // 2  # letters that a caption should have before it ends at a sentence or clause


@dataclass(frozen=True)
class Cue:
    """One caption. Times in milliseconds."""

    start: int
    end: int
    lines: tuple[str, ...]  # one or two
    speaker: str | None = None


def captions(segments: Iterable[TranscriptSegment]) -> list[Cue]:
    """All that was said, in order, nothing twice. They never overlap: where speech leaves less than a second, the next
    one comes later."""
    found = pieces(segments)
    cues: list[Cue] = []
    at = 0
    while at < len(found):
        end = _end(found, at)
        some = found[at:end]
        start = max(some[0].start, cues[-1].end if cues else 0)
        stays = min(max(some[-1].end - start, SHORTEST), LONGEST)
        cues.append(Cue(start, start + stays, _lines(some), some[0].speaker))
        at = end
    return cues


def _end(found: Sequence[Piece], start: int) -> int:
    """Before which piece a caption ends that begins with `start`."""
    last = start + 1
    while last < len(found) and _belongs(found, last) and _fits(found[start : last + 1]):
        last += 1
    if last == len(found) or not _belongs(found, last):
        return last
    for good in (Piece.ends_sentence, Piece.ends_clause):
        for end in range(last, start, -1):
            if good(found[end - 1]) and _is_enough(found[start:end]):
                return end
    return last


def _belongs(found: Sequence[Piece], place: int) -> bool:
    """Whether a piece is said in one breath with the one before it."""
    piece, before = found[place], found[place - 1]
    return piece.speaker == before.speaker and piece.start - before.end < PAUSE


def _is_enough(some: Sequence[Piece]) -> bool:
    return width(some) >= ENOUGH and some[-1].end - some[0].start >= SHORTEST


def _fits(some: Sequence[Piece]) -> bool:
    if some[-1].end - some[0].start > LONGEST:
        return False
    return width(some) <= LINE or _break(some) is not None


def _lines(some: Sequence[Piece]) -> tuple[str, ...]:
    place = None if width(some) <= LINE else _break(some)
    return (joined(some),) if place is None else (joined(some[:place]), joined(some[place:]))


def _break(some: Sequence[Piece]) -> int | None:
    """Before which piece the second line begins: after a sentence or clause, else so that both are as long."""
    ends = list(accumulate(piece.width + piece.spaced for piece in some))
    skew = some[0].spaced
    places = []
    for place in range(1, len(some)):
        first, second = ends[place - 1] - skew, ends[-1] - ends[place - 1] - some[place].spaced
        if first <= LINE and second <= LINE:
            bonus = LINE // 2 * (some[place - 1].ends_sentence() or some[place - 1].ends_clause())
            places.append((abs(first - second) - bonus, place))
    return min(places)[1] if places else None
