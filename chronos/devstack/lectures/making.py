"""Makes the lectures once and keeps them: a lecture is made again when its text or the way of making it has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chronos.devstack.lectures.script import Script, Sentence, scripts

WAY_OF_MAKING = 1  # raise it when voice, slides or film change, so that kept lectures are made again

Progress = Callable[[str, float], None]
"""Is told the title of the lecture in hand, and how much of all the work is done (0 to 1)."""


@dataclass(frozen=True)
class Lecture:
    """A lecture on disk, with what is said in it and when."""

    file: Path
    title: str
    creator_id: str
    video_id: str
    sentences: tuple[Sentence, ...]
    question: str
    answer: Sentence  # what a search for the question should find, and at which second

    @property
    def duration(self) -> float:
        """Seconds until the last word."""
        return self.sentences[-1].end


def make_lectures(folder: Path, progress: Progress, plan: Sequence[Script] | None = None) -> list[Lecture]:
    """The lectures in `folder`, made where they are missing or outdated. Blocks for some seconds a minute of speech.

    A lecture counts as made when the .json beside it is there, and that is written last: stopping at any moment
    leaves no half lecture. `plan`: other lectures than those of the demo.
    """
    plan = scripts() if plan is None else plan
    folder.mkdir(parents=True, exist_ok=True)
    missing = [script for script in plan if _kept(folder, script) is None]
    total = sum(len(script.sentences) for script in missing)
    done = 0
    for script in missing:

        def spoken(title: str = script.title) -> None:
            nonlocal done
            done += 1
            progress(title, done / total)

        _make(folder, script, spoken)
    return [lecture for script in plan if (lecture := _kept(folder, script)) is not None]


def _make(folder: Path, script: Script, spoken: Callable[[], None]) -> None:
    # The voice takes a while to import, and is not there at all without the `local` extra: only who makes pays.
    from chronos.devstack.lectures.film import film
    from chronos.devstack.lectures.voice import read_aloud

    part = folder / f".{script.video_id}.part"
    try:
        speech = read_aloud(script, spoken)
        film(script, speech, part)
        notes = {"madeFrom": _made_from(script), "bytes": part.stat().st_size, "sentences": speech.sentences}
        os.replace(part, _file(folder, script))
        part.write_text(json.dumps(notes, indent=1))
        os.replace(part, _notes(folder, script))
    finally:
        part.unlink(missing_ok=True)


def _kept(folder: Path, script: Script) -> Lecture | None:
    """The lecture as it was made, if it was made from this text and is whole."""
    try:
        notes = json.loads(_notes(folder, script).read_text())
        whole = _file(folder, script).stat().st_size == notes["bytes"]
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if notes["madeFrom"] != _made_from(script) or not whole:
        return None
    sentences = tuple(Sentence(*spoken) for spoken in notes["sentences"])
    answer = next(sentence for sentence in sentences if sentence.text == script.answer)
    return Lecture(
        _file(folder, script), script.title, script.creator_id, script.video_id, sentences, script.question, answer
    )


def _made_from(script: Script) -> str:
    return hashlib.sha256(f"{WAY_OF_MAKING} {script.sha256}".encode()).hexdigest()


def _file(folder: Path, script: Script) -> Path:
    return folder / f"{script.video_id}.mp4"


def _notes(folder: Path, script: Script) -> Path:
    return folder / f"{script.video_id}.json"
