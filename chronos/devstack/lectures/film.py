"""Puts a spoken lecture and its slides into an .mp4 that any browser plays."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image

from chronos.devstack.lectures.script import Script
from chronos.devstack.lectures.slides import HEIGHT, WIDTH, accent, draw, with_progress
from chronos.devstack.lectures.voice import Speech

FRAMES_PER_SECOND = 2  # slides stand still; more would only take longer to make
AAC_FRAME = 1024  # samples that AAC takes at a time


def film(script: Script, speech: Speech, file: Path) -> None:
    """Writes the lecture to `file`, whatever its suffix is."""
    with av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"}) as movie:
        picture = _picture_stream(movie)
        sound = movie.add_stream("aac", rate=speech.rate, layout="mono")
        sound.bit_rate = 64_000
        for image in _pictures(script, speech):
            movie.mux(picture.encode(av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")))
        movie.mux(picture.encode())
        _write_sound(movie, sound, speech)


def _picture_stream(movie: OutputContainer) -> VideoStream:
    # A wheel built without libx264 still has FFmpeg's own encoder.
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    stream = movie.add_stream(codec, rate=FRAMES_PER_SECOND, options={"preset": "veryfast"})
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    return stream


def _write_sound(movie: OutputContainer, sound: AudioStream, speech: Speech) -> None:
    for start in range(0, len(speech.samples), AAC_FRAME):
        samples = np.ascontiguousarray(speech.samples[np.newaxis, start : start + AAC_FRAME])
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = speech.rate, start, Fraction(1, speech.rate)
        movie.mux(sound.encode(frame))
    movie.mux(sound.encode())


def _pictures(script: Script, speech: Speech) -> Iterator[Image.Image]:
    """One picture a frame. The points of a slide appear evenly over its first two thirds."""
    colour, footer = accent(script.creator_id), f"{script.title}  ·  {script.creator_id}"
    ends = [*speech.slide_starts[1:], speech.duration]
    for slide, start, end in zip(script.slides, speech.slide_starts, ends, strict=True):
        stages = [draw(slide, shown, colour, footer) for shown in range(len(slide.points) + 1)]
        for frame in range(round(start * FRAMES_PER_SECOND), round(end * FRAMES_PER_SECOND)):
            now = frame / FRAMES_PER_SECOND
            shown = min(len(slide.points), 1 + int((now - start) / (end - start) * 1.5 * len(slide.points)))
            yield with_progress(stages[shown], now / speech.duration, colour)
