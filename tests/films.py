"""Small media files for tests, made by PyAV: sounds at known seconds, and pictures to go with them."""

from __future__ import annotations

import hashlib
import os
import struct
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

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
        packets: list[av.Packet] = []
        if audio:
            packets += [packet for start, samples in sounds for packet in encoded(audio, start, samples)]
            packets += audio.encode(None)
        if video:
            for index in range(round(pictures * 5)):
                picture = av.VideoFrame(64, 64, "yuv420p")
                picture.pts = index
                packets += video.encode(picture)
            packets += video.encode(None)
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):  # as a recorder writes them
            out.mux(packet)
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


def many_voices(file: Path, *voices: np.ndarray, rate: int = 48_000, marks: bool = True) -> Path:
    """A WAV file with a channel for each of these sounds, and (`marks`) with what each channel is for."""
    samples = (np.stack(voices) * 32767).astype("<i2").T
    if not marks:
        with wave.open(str(file), "wb") as plain:
            plain.setparams((len(voices), 2, rate, len(samples), "NONE", ""))
            plain.writeframes(samples.tobytes())
        return file
    with av.open(str(file), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=rate, layout={2: "stereo", 8: "7.1"}[len(voices)])
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=stream.layout.name)
        frame.rate, frame.pts = rate, 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return file


def dubbed(file: Path, *tracks: tuple[str | None, np.ndarray], default: int = 0) -> Path:
    """A film with several audio tracks, each with its language."""
    with av.open(str(file), "w") as out:
        streams = [out.add_stream("aac", rate=44_100, layout="mono") for _ in tracks]
        for index, (stream, (language, _)) in enumerate(zip(streams, tracks, strict=True)):
            stream.disposition = Disposition.default if index == default else Disposition.dub
            if language:
                stream.metadata["language"] = language
        for stream, (_, samples) in zip(streams, tracks, strict=True):
            out.mux([*encoded(stream, 0, samples), *stream.encode(None)])
    return file


def unsteady(file: Path, sound: np.ndarray, pictures: tuple[float, ...]) -> Path:
    """A film whose pictures come at these seconds: its frame rate is what it happens to be."""
    with av.open(str(file), "w") as out:
        video = out.add_stream("libx264", rate=30, width=64, height=64, pix_fmt="yuv420p")
        video.codec_context.time_base = Fraction(1, 1000)
        audio = out.add_stream("aac", rate=44_100, layout="mono")
        for second in pictures:
            picture = av.VideoFrame(64, 64, "yuv420p")
            picture.pts, picture.time_base = round(second * 1000), Fraction(1, 1000)
            out.mux(video.encode(picture))
        out.mux([*video.encode(None), *encoded(audio, 0, sound), *audio.encode(None)])
    return file


def joined(file: Path, *parts: Path) -> Path:
    """Files one after the other, byte by byte, as recorders and `cat` do."""
    file.write_bytes(b"".join(part.read_bytes() for part in parts))
    return file
