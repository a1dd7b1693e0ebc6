"""Takes the sound out of one media file, in a process of its own that can do nothing else. Run by media.py.

One JSON line comes in on stdin (the job), one goes out on stdout (`codec` and `duration`, or `error` and `message`).
It imports next to nothing, so that it starts in a tenth of a second.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import av.logging
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV would import these two later, when the process is sealed
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from chronos.adapters.confinement import confine, seal

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,w64,flac,ogg,aac,mpegts,mpeg,avi,asf,flv,aiff,caf,amr"
"""FFmpeg's demuxers that read one file and nothing else: no playlists, lists, scripts, images or devices."""

CODECS = (
    "aac,aac_latm,mp3,mp3float,mp2,mp2float,mp1,mp1float,opus,libopus,vorbis,flac,alac,ac3,eac3,dca,wmav1,wmav2,"
    "amrnb,amrwb,speex,libspeex,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,gsm_ms,pcm_alaw,pcm_mulaw,pcm_u8,pcm_s16le,"
    "pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_bluray,pcm_dvd"
)
"""Decoders that may run. No video decoder is among them: pictures are never looked at, not even while probing."""

TOLERANCE = 0.04
"""Seconds that timestamps may be off before silence is put in. Matroska rounds to 0.001, some muxers jitter by 0.02."""

SILENCE = bytes(1 << 16)


class Unreadable(Exception):
    """It is not media that can be heard."""


class Limit(Exception):
    """It wants more than it may have."""


class Timeline:
    """Writes sound to a file so that each sample stands at the player's time, with silence where there is none."""

    def __init__(self, out: BinaryIO, rate: int, longest: float) -> None:
        self.clock = 0.0  # seconds of sound that came in, with its gaps
        self.written = 0  # samples
        self._out, self._rate, self._longest = out, rate, longest
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None

    def add(self, frame: AudioFrame, at: float | None) -> None:
        """Sound that the player plays at `at` (None: right after what came before)."""
        length = frame.samples / frame.sample_rate
        if at is not None and at + length < self.clock - TOLERANCE:
            return  # before the beginning, or told already
        if at is not None and at > self.clock + TOLERANCE:
            self._skip_to(at)
        self.clock += length
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self.flush()
            self._resampler, self._shape = AudioResampler("s16", "mono", self._rate), shape
        frame.pts = None
        self._resample(frame)

    def flush(self) -> None:
        """Writes what the resampler still holds."""
        if self._resampler:
            self._resample(None)
        self._resampler = self._shape = None

    def _skip_to(self, at: float) -> None:
        if at > self._longest:
            raise Limit(f"its sound goes on at {at:.0f} s, and the limit is {self._longest:.0f} s")
        self.flush()
        missing = max(0, round(at * self._rate) - self.written) * 2
        for _ in range(missing // len(SILENCE)):
            self._write(SILENCE)
        self._write(SILENCE[: missing % len(SILENCE)])
        self.clock = at

    def _resample(self, frame: AudioFrame | None) -> None:
        assert self._resampler
        for out in self._resampler.resample(frame):
            self._write(memoryview(out.planes[0])[: out.samples * 2])

    def _write(self, samples: bytes | memoryview) -> None:
        self.written += len(samples) // 2
        if self.written > self._longest * self._rate:
            raise Limit(f"its sound is longer than the limit of {self._longest:.0f} s")
        self._out.write(samples)


def extract(source: str, sound: str, rate: int, longest: float) -> dict[str, Any]:
    """Decodes the first audio track of `source` to raw samples in `sound`."""
    # The file is opened here and FFmpeg may open nothing: no list or playlist inside can make it read another.
    with open(source, "rb", buffering=0) as file, open(sound, "wb") as out:
        seal()
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise Unreadable("the file is empty")
        with _open(file) as container:
            stream = _audio(container)
            timeline = Timeline(out, rate, longest)
            complaint = _decode(container, stream, timeline)
            if not timeline.written:
                raise Unreadable(f"its audio track holds no sound ({complaint or 'no packets'})")
            if _cut_off(container, stream, size, timeline.clock):
                raise Unreadable(f"the file is cut off: its sound stops at {timeline.clock:.1f} s before its end")
            return {"codec": stream.codec_context.codec.canonical_name, "duration": timeline.written / rate}


def _open(file: BinaryIO) -> InputContainer:
    options = {"format_whitelist": FORMATS, "codec_whitelist": CODECS, "protocol_whitelist": "none"}
    return av.open(file, "r", options=options, metadata_errors="replace")


def _audio(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise Unreadable("there is no audio track in it")
    stream = container.streams.audio[0]
    codec = stream.codec_context.name if stream.codec_context else "unknown"
    if codec not in CODECS.split(","):
        raise Unreadable(f"its audio codec is not allowed: {codec}")
    return stream


def _decode(container: InputContainer, stream: AudioStream, timeline: Timeline) -> str:
    """Everything to the timeline; damaged packets are skipped, as players do. Gives the last complaint."""
    origin = max(0, container.start_time or 0) / 1_000_000  # where a player's clock starts
    complaint = ""
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            complaint = _said(error)
            continue
        for frame in _sound(frames):
            timeline.add(frame, None if frame.time is None else frame.time - origin)
    timeline.flush()
    return complaint


def _sound(frames: list[Any]) -> Iterator[Any]:
    return (frame for frame in frames if isinstance(frame, AudioFrame) and frame.samples)


def _cut_off(container: InputContainer, stream: AudioStream, size: int, end: float) -> bool:
    """Whether the file says that there is more. Only for formats whose tables can be trusted."""
    if container.format.name.startswith("mov") and len(stream.index_entries):
        last = stream.index_entries[-1]
        return last.pos + last.size > size
    if container.format.name == "flac" and stream.duration and stream.time_base:
        return end < float(stream.duration * stream.time_base) - 1.0
    return False


def _said(error: Exception) -> str:
    """FFmpeg's own words, without the addresses and numbers that PyAV puts around them."""
    log = getattr(error, "log", None)
    words = log[2].strip() if log else getattr(error, "strerror", None) or str(error)
    return str(words)[:300]


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """What came of the job. Errors are told by kind: unreadable, limit, disk."""
    try:
        return extract(job["source"], job["sound"], job["rate"], job["longest"])
    except Unreadable as error:
        return {"error": "unreadable", "message": str(error)}
    except (Limit, MemoryError, av.error.MemoryError) as error:
        return {"error": "limit", "message": str(error) or "it needs more memory than it may have"}
    except (av.error.FFmpegError, OSError, ValueError) as error:
        return {"error": _kind(error), "message": _said(error)}


def _kind(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return {errno.ENOSPC: "disk", errno.EDQUOT: "disk", errno.EFBIG: "limit"}.get(number or 0, "unreadable")


def main() -> None:
    job = json.loads(sys.stdin.readline())
    confine(job["memory"], job["cpu"], job["size"])
    av.logging.set_level(av.logging.ERROR)  # so that errors carry what FFmpeg said
    print(json.dumps(answer(job)))  # noqa: T201  # stdout is how it answers
