"""What is not believed of an answer: text that a model makes up where nobody speaks, and loops that caught it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_PHRASE = 10
"""Words. Loops are of short phrases; to look for longer ones takes time, and songs repeat whole verses."""


@dataclass(frozen=True)
class Guard:
    """The limits. What a model does not say of its answer is not held against it: in doubt it is speech."""

    no_speech: float = 0.6
    """Probability that nobody speaks, above which a passage goes that the model is not sure of. Whisper's own limit:
    lower, whispers are lost; higher, breath and music become words."""

    logprob: float = -1.0
    """The mean log probability below which a model is not sure. Whisper's own limit. Both must hold: in music with a
    voice the first is high, and the words are clear."""

    compression: float = 2.4
    """How far a passage's text may be compressed, as the model says. Whisper's own limit: plain speech is below 2,
    and of a loop there is little left."""

    repeats: int = 8
    """How often a phrase may be said in a row; of more, one is kept. People say a word four times, a chorus its line
    perhaps eight; lower, songs and chants lose lines."""

    def __post_init__(self) -> None:
        if not 0 < self.no_speech <= 1 or self.logprob > 0 or self.compression < 1 or self.repeats < 1:
            raise ValueError(f"{self} must have 0 < no_speech <= 1, logprob <= 0, compression >= 1 and repeats >= 1")

    def believes(self, no_speech: float | None, logprob: float | None, compression: float | None) -> bool:
        """Whether a passage of which a model says this was spoken."""
        silent = no_speech is not None and no_speech > self.no_speech
        unsure = logprob is not None and logprob < self.logprob
        return not (silent and unsure) and not (compression is not None and compression > self.compression)

    def kept(self, said: Sequence[str], longest: int = LONGEST_PHRASE) -> list[int]:
        """Which of what was said in a row stays, by its index: of a loop, the first round."""
        plain = [re.sub(r"\W+", "", one).casefold() or one for one in said]
        keep: list[int] = []
        at = 0
        while at < len(plain):
            length, rounds = self._loop(plain, at, longest)
            keep += range(at, at + length)
            at += length * rounds
        return keep

    def _loop(self, said: Sequence[str], at: int, longest: int) -> tuple[int, int]:
        """The length of the shortest phrase that is said too often from here on, and how often; (1, 1) for none."""
        for length in range(1, longest + 1):
            phrase, rounds = said[at : at + length], 1
            while said[at + rounds * length : at + (rounds + 1) * length] == phrase:
                rounds += 1
            if rounds > self.repeats:
                return length, rounds
        return 1, 1
