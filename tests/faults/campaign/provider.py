"""The campaign's paid provider: tests.provider, which here knows of each call what film it is about.

What it hears begins with the film's number, so that the texts that are embedded later carry it on.
Run as a process of its own, which no fault strikes: python -m tests.faults.campaign.provider --port 8300
"""

from __future__ import annotations

import re

from chronos.devstack.local_ai.models import Heard
from tests.faults.campaign.films import marked
from tests.provider import Provider, Speech, draw, main, spread

NAMED = re.compile(rb"\bfilm(\d+)\b")
WORDS = 3  # of a part, beside its name
SECONDS = 0.8  # of a part's sound, however it was cut


class FilmSpeech(Speech):
    """Hears the number of a film and of its part, and some words."""

    def hear(self, audio: bytes, *, language: str | None, prompt: str | None) -> Heard:
        found = marked(audio)
        assert found, "every sound of a campaign carries a number"
        film, part = found
        words = [f"film{film}", f"part{part}", *draw(audio, WORDS)]
        return Heard("english", SECONDS, tuple(spread(words, SECONDS)))


def about(kind: str, body: bytes) -> tuple[str, ...]:
    """`film/part` of a sound, `film` of texts."""
    if kind == "audio":
        found = marked(body)
        return (f"{found[0]}/{found[1]}",) if found else ()
    return tuple(sorted({number.decode() for number in NAMED.findall(body)}))


if __name__ == "__main__":
    main(lambda port: Provider(port, hearing=FilmSpeech, about=about))
