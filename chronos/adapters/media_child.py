"""Takes the sound out of one media file, in a process of its own that can do nothing else. Run by media.py.

One JSON line comes in on stdin (the job), one goes out on stdout: `codec`, `duration` and `track`, or `error` and
`message`.
It imports next to nothing, so that it starts in a tenth of a second.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import av
import av.logging
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV would import these two later, when the process is sealed
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.filter import Graph
from av.filter.context import FilterContext
from av.stream import Discard, Disposition

from chronos.adapters.clock import PlayerClock
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

CLOCK_MAY_JUMP = 0x200
"""FFmpeg's AVFMT_TS_DISCONT."""

MOST_ORDINARY = 2
"""Channels of which a mix leaves none out."""

BLOCK = 1 << 15
"""Samples that are written at once, and that wait as frames. Eight channels of floats at 192 kHz are 1 MB so."""

SILENCE = bytes(1 << 16)


class Unreadable(Exception):
    """It is not media that can be heard."""


class Limit(Exception):
    """It wants more than it may have."""


class Mono:
    """FFmpeg's filters, from frames of one shape to mono samples in large blocks. Frames wait in it until they are
    enough for one: to ask after each of them, as AudioResampler does, nearly doubles what resampling costs."""

    def __init__(self, frame: AudioFrame, rate: int) -> None:
        self._graph = Graph()
        self._source = self._graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout.name
        )
        form = self._graph.add("aformat", f"sample_rates={rate}:sample_fmts=s16:channel_layouts=mono")
        blocks = self._graph.add("asetnsamples", f"nb_out_samples={BLOCK}:pad=0")
        self._sink = self._graph.add("abuffersink")
        self._graph.link_nodes(self._source, *self._mixed(frame), form, blocks, self._sink).configure()
        self.waiting = 0  # samples

    def put(self, frame: AudioFrame | None) -> None:
        """None: there is no more."""
        self._source.push(frame)
        self.waiting += frame.samples if frame else 0

    def blocks(self) -> Iterator[memoryview]:
        """What is ready."""
        self.waiting = 0
        while True:
            try:
                block = self._sink.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(block, AudioFrame)
            yield memoryview(block.planes[0])[: block.samples * 2]

    def _mixed(self, frame: AudioFrame) -> list[FilterContext]:
        """FFmpeg leaves the channel for deep effects out of a mix: in a recording with eight microphones it is one."""
        several = frame.layout.nb_channels > MOST_ORDINARY
        return [self._graph.add("aresample", "lfe_mix_level=1")] if several else []


class Timeline:
    """Writes sound to a file so that each sample stands at the player's time, with silence where there is none."""

    def __init__(self, out: BinaryIO, rate: int, longest: float) -> None:
        self.clock = 0.0  # seconds of sound that came in, with its gaps
        self.written = 0  # samples
        self._out, self._rate, self._longest = out, rate, longest
        self._mono: Mono | None = None
        self._shape: tuple[str, str, int] | None = None

    def add(self, frame: AudioFrame, player: PlayerClock) -> None:
        """Sound at the player's time; what has no timestamp comes right after what was before."""
        length = frame.samples / frame.sample_rate
        at = None if frame.time is None else player.place(frame.time, length, self.clock)
        if at is not None and at + length < self.clock - TOLERANCE:
            return  # before the beginning, or told already
        if at is not None and at > self.clock + TOLERANCE:
            self._skip_to(at)
        self.clock += length
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._mono is None or shape != self._shape:
            self.flush()
            self._mono, self._shape = Mono(frame, self._rate), shape
        frame.pts = None
        self._mono.put(frame)
        if self._mono.waiting >= BLOCK:
            self._write_ready(self._mono)

    def flush(self) -> None:
        """Writes what waits still."""
        if self._mono:
            self._mono.put(None)
            self._write_ready(self._mono)
        self._mono = None

    def _skip_to(self, at: float) -> None:
        if at > self._longest:
            raise Limit(f"its sound goes on at {at:.0f} s, and the limit is {self._longest:.0f} s")
        self.flush()
        missing = max(0, round(at * self._rate) - self.written) * 2
        for _ in range(missing // len(SILENCE)):
            self._write(SILENCE)
        self._write(SILENCE[: missing % len(SILENCE)])
        self.clock = at

    def _write_ready(self, mono: Mono) -> None:
        for block in mono.blocks():
            self._write(block)

    def _write(self, samples: bytes | memoryview) -> None:
        self.written += len(samples) // 2
        if self.written > self._longest * self._rate:
            raise Limit(f"its sound is longer than the limit of {self._longest:.0f} s")
        self._out.write(samples)


def extract(job: dict[str, Any]) -> dict[str, Any]:
    """Decodes an audio track of the job's source to raw samples in its sound."""
    rate = job["rate"]
    # The file is opened here and FFmpeg may open nothing: no list or playlist inside can make it read another.
    with open(job["source"], "rb", buffering=0) as file, open(job["sound"], "wb") as out:
        seal()
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise Unreadable("the file is empty")
        with _open(file) as container:
            stream = _audio(container, job["languages"])
            timeline = Timeline(out, rate, job["longest"])
            complaint = _decode(container, stream, timeline)
            if not timeline.written:
                raise Unreadable(f"its audio track holds no sound ({complaint or 'no packets'})")
            if _cut_off(container, stream, size, timeline.clock):
                raise Unreadable(f"the file is cut off: its sound stops at {timeline.clock:.1f} s before its end")
            codec, track = stream.codec_context.codec.canonical_name, container.streams.audio.index(stream)
            return {"codec": codec, "duration": timeline.written / rate, "track": track}


def _open(file: BinaryIO) -> InputContainer:
    options = {"format_whitelist": FORMATS, "codec_whitelist": CODECS, "protocol_whitelist": "none"}
    return av.open(file, "r", options=options, metadata_errors="replace")


def _audio(container: InputContainer, languages: list[str]) -> AudioStream:
    if not container.streams.audio:
        raise Unreadable("there is no audio track in it")
    stream = _chosen(container.streams.audio, languages)
    codec = stream.codec_context.name if stream.codec_context else "unknown"
    if codec not in CODECS.split(","):
        raise Unreadable(f"its audio codec is not allowed: {codec}")
    return stream


def _chosen(tracks: Sequence[AudioStream], languages: list[str]) -> AudioStream:
    """The first track in the language; else the one that a player takes."""
    spoken = [one for one in tracks if one.metadata.get("language", "").lower().split("-")[0] in languages]
    default = [one for one in tracks if one.disposition & Disposition.default]
    return (spoken or default or tracks)[0]


def _decode(container: InputContainer, stream: AudioStream, timeline: Timeline) -> str:
    """Everything to the timeline; damaged packets are skipped, as players do. Gives the last complaint."""
    jumps = bool(container.format.flags & CLOCK_MAY_JUMP)
    clock = PlayerClock(max(0, container.start_time or 0) / 1_000_000, jumps=jumps)
    complaint = ""
    wanted = [stream, *(container.streams.video if jumps else ())]
    for other in container.streams:
        if other not in wanted:
            other.discard = Discard.all  # it is not even read
    for packet in container.demux(wanted):
        if packet.stream is not stream:
            if packet.dts is not None and packet.time_base:
                clock.other(float(packet.dts * packet.time_base))
            continue
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            complaint = _said(error)
            continue
        for frame in _sound(frames):
            timeline.add(frame, clock)
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
        return extract(job)
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
