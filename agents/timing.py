"""Where a letter of a passage lies in the video's time. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate

from schemas.transcription import TranscriptSegment

_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def letters(text: str) -> int:
    """How many letters and digits a text has: times go by them, since punctuation is not heard."""
    if text.isalnum():
        return len(text)
    count = len(text.encode("ascii", "ignore").translate(None, _NO_LETTERS))
    return count if text.isascii() else count + sum(map(str.isalnum, "".join(_NOT_ASCII.findall(text))))


@dataclass(frozen=True)
class Clock:
    """Tells the time at a letter of a passage, straight-lined within a timed word."""

    begins: list[float]  # the letter at which each timed word begins
    ends: list[float]
    times: list[tuple[float, float]]

    @classmethod
    def of(cls, segment: TranscriptSegment) -> Clock:
        """From the timed words where there are any, else from the passage as a whole."""
        count = max(1, letters(segment.text))
        timed = [(letters(word.text), word.start, word.end) for word in segment.words or []]
        timed = [word for word in timed if word[0]] or [(count, segment.start, segment.end)]
        ends = list(accumulate(own for own, _, _ in timed))
        scale = count / ends[-1]
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
