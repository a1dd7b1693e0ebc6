"""Films whose sound carries their number: a square wave as loud as the number is great, in a format that loses nothing.

So the provider knows by the samples of a call which film and which part of it is heard, whatever became of the request
that asked for it. A part is less than a second long, and costs a worker no more to decode than its child's start.
"""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

RATE = 16_000  # what Chronos decodes to: nothing is resampled, and each sample arrives as it was written
MOST_PARTS = 4
MOST_FILMS = 5_000
FLOOR = 8_000  # loudness of number 0: with the greatest number the loudest part is 11 dB above, and within 16 bits
PART, GAP = 0.8, 2.2  # seconds; a gap above 2 s makes each part a segment, a paid call, of its own
PERIOD = 32  # samples


def film(number: int, parts: int) -> bytes:
    """A WAV file of this film. Without parts it is a second of silence.

    Raises:
        ValueError: the samples cannot carry the number.
    """
    if not (0 <= number < MOST_FILMS and 0 <= parts <= MOST_PARTS):
        raise ValueError(f"film {number} with {parts} parts is beyond {MOST_FILMS} films of {MOST_PARTS} parts")
    sounds = [_square(number * MOST_PARTS + part) for part in range(parts)]
    gap = np.zeros(round(GAP * RATE), np.int16)
    pieces = [piece for sound in sounds for piece in (sound, gap)][:-1] or [np.zeros(RATE, np.int16)]
    return _wave(np.concatenate(pieces))


def write(file: Path, number: int, parts: int) -> Path:
    file.write_bytes(film(number, parts))
    return file


def marked(body: bytes) -> tuple[int, int] | None:
    """Film and part that a WAV file inside these bytes carries; None where there is no such file."""
    at = body.find(b"RIFF")
    data = body.find(b"data", at, at + 200) if at >= 0 else -1
    if data < 0:
        return None
    size = int.from_bytes(body[data + 4 : data + 8], "little")
    samples = np.frombuffer(body[data + 8 : data + 8 + size // 2 * 2], "<i2")
    number = int(np.abs(samples.astype(np.int32)).max(initial=0)) - FLOOR
    return divmod(number, MOST_PARTS) if number >= 0 else None


def _square(number: int) -> np.ndarray:
    loudness = FLOOR + number
    period = np.repeat(np.array([loudness, -loudness], np.int16), PERIOD // 2)
    return np.tile(period, round(PART * RATE / PERIOD))


def _wave(samples: np.ndarray) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.astype("<i2").tobytes())
    return made.getvalue()
