"""A transcript in the smallest pieces that a line may end after, each with its place in the video's time. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, split_graphemes

from agents.chunker import SENTENCE_END
from agents.timing import Clock, letters
from schemas.transcription import TranscriptSegment

LINE = 42
"""Wide: letters, those of East Asian scripts count double. What broadcasters allow a line of captions."""

_CLAUSE_END = re.compile(r"[,;:،؛、，；：–—]+[\"'”’)」』）】]*$")
_CLOSING = {"Pe", "Pf", "Po", "Lm"}  # a line does not begin with these: 」 。 ー
_OPENING = {"Ps", "Pi"}  # nor end with these: 「 『


@dataclass(frozen=True)
class Piece:
    """A word; of a script without spaces a letter, with the punctuation that belongs to it."""

    text: str
    width: int
    spaced: bool  # a space stands before it
    start: int  # milliseconds
    end: int
    speaker: str | None = None

    def ends_sentence(self) -> bool:
        return SENTENCE_END.search(self.text) is not None

    def ends_clause(self) -> bool:
        return _CLAUSE_END.search(self.text) is not None


def pieces(segments: Iterable[TranscriptSegment]) -> list[Piece]:
    """All that was said, in order. Times never run backwards; a piece without letters takes none."""
    found: list[Piece] = []
    latest = 0
    for segment in segments:
        clock, before = Clock.of(segment), 0
        for place, (text, spaced) in enumerate(_texts(segment.text)):
            own = letters(text)
            start = max(latest, round(1000 * clock.start(before)))
            latest = max(start, round(1000 * clock.end(before + own)))
            before += own
            if place == 0:
                spaced = bool(found) and not (_is_wide(found[-1].text[-1]) and _is_wide(text[0]))
            found.append(Piece(text, cell_len(text), spaced, start, latest, segment.speaker))
    return found


def joined(some: Sequence[Piece]) -> str:
    """Their text, as it is written."""
    return "".join(" " * (piece.spaced and place > 0) + piece.text for place, piece in enumerate(some))


def width(some: Sequence[Piece]) -> int:
    """Of their text, in letters."""
    return sum(piece.width + piece.spaced for piece in some) - (some[0].spaced if some else 0)


def _texts(text: str) -> Iterator[tuple[str, bool]]:
    """(text, whether a space stands before it). Control characters are no text, and would break files of captions."""
    for word in text.split():
        clean = "".join(letter for letter in word if unicodedata.category(letter) != "Cc")
        parts = [clean] if clean.isascii() and len(clean) <= LINE else _parts(clean)
        yield from ((part, place == 0) for place, part in enumerate(parts) if part)


def _parts(word: str) -> list[str]:
    """A word, cut where a line may end within it: between wide letters, else where it is longer than a line."""
    parts: list[str] = []
    room = 0  # in the last part
    for letter, cells in _letters(word):
        if parts and cells <= room and not _may_part(parts[-1], letter):
            parts[-1] += letter
            room -= cells
        else:
            parts.append(letter)
            room = LINE - cells
    return parts


def _letters(word: str) -> Iterator[tuple[str, int]]:
    """What readers take for one letter, with its width: with its accents, an emoji with all that it is made of."""
    half = ""  # of a flag: two letters of the alphabet from U+1F1E6 on, which rich takes for two
    for start, end, cells in split_graphemes(word)[0]:
        letter = half + word[start:end]
        half = letter if len(letter) == 1 and "\U0001f1e6" <= letter <= "\U0001f1ff" else ""
        if not half:
            yield letter, cells + (len(letter) > end - start)
    if half:
        yield half, 1


def _may_part(before: str, letter: str) -> bool:
    if not (_is_wide(before[-1]) or _is_wide(letter[0])):
        return False
    return unicodedata.category(letter[0]) not in _CLOSING and unicodedata.category(before[-1]) not in _OPENING


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in ("W", "F")
