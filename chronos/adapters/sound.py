"""The decoded sound of a video: a raw file of 16-bit mono samples at 16 kHz, its loudness, and pieces of it."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

from agents.cutter import Levels
from agents.ports import Segment

RATE = 16_000
"""Samples a second: what Whisper listens at. More is uploaded for nothing; less loses consonants."""

WIDTH = 2
"""Bytes a sample."""

_SHORTEST_UPLOAD = 0.5
"""OpenAI refuses less than 0.1 s of audio; a shorter piece is filled up with silence."""

_BLOCK = 8
"""Seconds read at once. 0.25 MB, and 0.5 MB as floats, stay in a processor's cache: with 64 s, new memory for each step
of the reckoning took eight times as long as the reckoning."""


def levels(sound: Path, frame: float) -> Levels:
    """Loudness in dBFS of each `frame` seconds. Digital silence is -120."""
    samples = round(frame * RATE)
    with sound.open("rb") as file:
        blocks = iter(lambda: file.read(samples * WIDTH * round(_BLOCK / frame)), b"")
        measured = [_loudness(block, samples) for block in blocks]
    return np.concatenate(measured) if measured else np.empty(0, np.float32)


def cut(segment: Segment) -> bytes:
    """A segment's sound as a WAV file (60 s: 1.9 MB): every provider takes it, and its bytes depend on no encoder."""
    begin, end = (round(at * RATE) * WIDTH for at in (segment.start, segment.end))
    with segment.sound.open("rb") as file:
        file.seek(begin)
        samples = file.read(end - begin)
    file_in_memory = io.BytesIO()
    with wave.open(file_in_memory, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(WIDTH)
        out.setframerate(RATE)
        out.writeframes(samples.ljust(round(_SHORTEST_UPLOAD * RATE) * WIDTH, b"\0"))
    return file_in_memory.getvalue()


def _loudness(block: bytes, samples: int) -> Levels:
    values = np.frombuffer(block, "<i2").astype(np.float32)
    values /= 32768
    np.square(values, out=values)
    if missing := -len(values) % samples:
        values = np.pad(values, (0, missing))
    power = np.mean(values.reshape(-1, samples), axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)), np.float32)
