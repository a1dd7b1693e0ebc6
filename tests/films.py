"""Small media files for tests, made by PyAV: sounds at known seconds, and pictures to go with them."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from agents.ports import Fetched


def fetched(file: Path) -> Fetched:
    content = file.read_bytes()
    return Fetched(file=file, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def noise(seconds: float, rate: int = 44_100) -> np.ndarray:
    """Something that is not silent."""
    samples = np.random.default_rng(1).normal(0, 0.2, round(seconds * rate))
    return samples.clip(-1, 1).astype(np.float32)


def quiet(seconds: float, rate: int = 44_100) -> np.ndarray:
    return np.zeros(round(seconds * rate), np.float32)


def film(
    file: Path,
    *sounds: tuple[float, np.ndarray],
    codec: str = "aac",
    rate: int = 44_100,
    pictures: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """A media file with sounds that start at the given seconds, and black pictures for as long as told."""
    with av.open(str(file), "w", options=options or {}) as out:
        video = out.add_stream("libx264", rate=5, width=64, height=64, pix_fmt="yuv420p") if pictures else None
        audio = out.add_stream(codec, rate=rate, layout="mono") if sounds else None
        if audio:
            for start, samples in sounds:
                for packet in encoded(audio, start, samples):
                    out.mux(packet)
            out.mux(audio.encode(None))
        if video:
            for index in range(round(pictures * 5)):
                picture = av.VideoFrame(64, 64, "yuv420p")
                picture.pts = index
                out.mux(video.encode(picture))
            out.mux(video.encode(None))
    return file


def encoded(audio: av.AudioStream, start: float, samples: np.ndarray) -> Iterator[av.Packet]:
    values = (samples * 32767).astype(np.int16)
    for at in range(0, len(values), 1024):
        frame = av.AudioFrame.from_ndarray(values[None, at : at + 1024], format="s16", layout="mono")
        frame.rate = audio.codec_context.rate
        frame.pts = round(start * frame.rate) + at
        yield from audio.encode(frame)


def hours_of_silence(file: Path) -> Path:
    content = bytearray(film(file, (0, quiet(1)), codec="pcm_s16le").read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 1 << 30)
    file.write_bytes(content)
    os.truncate(file, 1 << 30)  # three hours, in a file with holes
    return file
