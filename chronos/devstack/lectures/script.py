"""What a lecture says: its slides and sentences, read from the .toml files in texts/."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple


class Sentence(NamedTuple):
    """A sentence as it was spoken: seconds from the beginning of the video."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Slide:
    """What is shown while its sentences are spoken."""

    heading: str
    points: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    """One lecture before it is spoken. `answer` is the sentence that a search for `question` should find."""

    video_id: str
    creator_id: str
    title: str
    question: str
    answer: str
    slides: tuple[Slide, ...]
    sha256: str  # of the text file

    @property
    def sentences(self) -> list[str]:
        return [sentence for slide in self.slides for sentence in slide.sentences]


def scripts() -> list[Script]:
    """All lectures, by the name of their file."""
    texts = files("chronos.devstack.lectures") / "texts"
    found = sorted((text for text in texts.iterdir() if text.name.endswith(".toml")), key=lambda text: text.name)
    return [_script(text.read_bytes()) for text in found]


def _script(raw: bytes) -> Script:
    said = tomllib.loads(raw.decode())
    slides = tuple(_slide(slide) for slide in said.pop("slides"))
    script = Script(**said, slides=slides, sha256=hashlib.sha256(raw).hexdigest())
    if script.answer not in script.sentences:
        raise ValueError(f"lecture {script.video_id}: the answer is none of its sentences: {script.answer!r}")
    return script


def _slide(said: dict[str, Any]) -> Slide:
    return Slide(said["heading"], tuple(said["points"]), tuple(said["sentences"]))
