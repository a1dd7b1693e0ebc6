"""What each speech model can do, as data: what it can be asked for, and what its answers hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

MEGABYTES_25 = 25 << 20
"""OpenAI's limit for a file. A segment of 600 s, the longest that a cutter may make, is 19 MB."""

Format = Literal["json", "verbose_json", "diarized_json"]


@dataclass(frozen=True)
class SpeechModel:
    """Its abilities. What is asked for by them is part of a paid result's key: change none that is in use."""

    format: Format = "json"
    """The richest answer that it gives."""

    words: bool = False
    """Times of words, in `verbose_json`."""

    segments: bool = False
    """Times of passages."""

    speakers: bool = False
    """Who speaks, as a letter that holds for one call."""

    prompt: bool = False
    """It takes the end of what was said before."""

    language: Literal["language", "languages"] | None = "language"
    """How a hint at the language is given: one, a list of those that may be spoken, or not at all."""

    cuts: bool = False
    """It wants to be told how to cut what is longer than 30 s."""

    largest: int = MEGABYTES_25
    """Bytes of a file."""

    def __post_init__(self) -> None:
        if self.format not in ("json", "verbose_json", "diarized_json"):
            raise ValueError(
                f"format {self.format!r} is none that holds times or text: json, verbose_json, diarized_json"
            )
        if (self.words or self.segments) and self.format == "json":
            raise ValueError("times of words or passages come in verbose_json, or of passages in diarized_json")
        if self.language not in ("language", "languages", None):
            raise ValueError(f"language is given as language, languages or null, not {self.language!r}")

    def parameters(self) -> dict[str, Any]:
        """What every call asks for."""
        asked: dict[str, Any] = {"response_format": self.format}
        if self.format == "verbose_json":
            times = [name for name, wanted in (("word", self.words), ("segment", self.segments)) if wanted]
            asked["timestamp_granularities"] = times or ["segment"]
        if self.cuts:
            asked["chunking_strategy"] = "auto"
        return asked


WHISPER = SpeechModel(format="verbose_json", words=True, segments=True, prompt=True)

SPEECH_MODELS: Mapping[str, SpeechModel] = {
    "gpt-transcribe": SpeechModel(prompt=True, language="languages"),
    "whisper-1": WHISPER,
    "gpt-4o-transcribe": SpeechModel(prompt=True),
    "gpt-4o-mini-transcribe": SpeechModel(prompt=True),
    "gpt-4o-transcribe-diarize": SpeechModel(format="diarized_json", segments=True, speakers=True, cuts=True),
}
"""OpenAI's. Source: TranscriptionCreateParams and the answers' types of the openai package, and its guide to speech."""

COMPATIBLE = SpeechModel()
"""What can be assumed of a model that nobody knows: text. More is said in CHRONOS_SPEECH_ABILITIES."""


def speech_model(name: str, said: Mapping[str, Mapping[str, Any]] | None = None) -> SpeechModel:
    """What the model of this name can do. `said`: what the settings say of models, over what is known of them.

    A model with a date at its end is the one without. Servers at home run Whisper under many names, and all of them
    give its times.
    """
    known = max((one for one in SPEECH_MODELS if _is(name, one)), key=len, default=None)
    found = SPEECH_MODELS[known] if known else WHISPER if "whisper" in name else COMPATIBLE
    return replace(found, **(said or {}).get(name, {}))


def check(said: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ValueError where settings say of a model what nobody can be."""
    for name in said:
        try:
            speech_model(name, said)
        except (TypeError, ValueError) as error:
            names = ", ".join(field.name for field in fields(SpeechModel))
            raise ValueError(f"speech model {name!r} may be given {names}: {error}") from error


def _is(name: str, known: str) -> bool:
    """Whether it is that model, or a version of it by its date: gpt-4o-mini-transcribe-2025-12-15."""
    rest = name.removeprefix(known)
    return name.startswith(known) and (not rest or (rest[0] == "-" and rest[1:].replace("-", "").isdigit()))
