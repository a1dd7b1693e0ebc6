"""Media through PyAV (FFmpeg), in a child process with limits, so that a hostile file cannot harm a worker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chronos
from agents.cutter import Cutting, silences, spans
from agents.ports import Audio, Fetched, MediaLimit, StorageUnavailable, UnreadableMedia
from chronos.adapters.sound import RATE, WIDTH, levels
from chronos.languages import in_files
from streams.retry import Fault, Unavailable

_ANSWER_LIMIT = 1 << 16

_ROOT = str(Path(chronos.__file__).resolve().parents[1])
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from chronos.adapters.media_child import main; main()"


@dataclass(frozen=True)
class Limits:
    """What opening one file may use."""

    memory: int = 1 << 30
    """Address space in bytes: the libraries map 120 MB; below 300 MB real videos with big tables fail."""

    cpu: int = 1800
    """Seconds. An hour of AAC takes about 10."""

    wall: float = 3600.0
    """Seconds, for a disk that is slow."""

    longest: float = 12 * 3600.0
    """Seconds of sound. It bounds the decoded file: 12 hours are 1.4 GB."""


class PyAvMedia:
    """Takes the sound out of a video, and finds in it what to send."""

    def __init__(self, limits: Limits = Limits(), cutting: Cutting = Cutting()) -> None:  # noqa: B008  # frozen values
        self._limits = limits
        self._cutting = cutting

    async def extract_audio(self, source: Fetched, room: Path, language: str | None = None) -> Audio:
        """See agents.ports.Media."""
        sound = room / "sound.pcm"
        answer = await self._decode(self._job(source.file, sound, language), room)
        loudness = await asyncio.to_thread(levels, sound, self._cutting.frame)
        duration = round(float(answer["duration"]), 3)
        pauses = tuple(silences(loudness, self._cutting))
        return Audio(
            source=source,
            sound=sound,
            codec=str(answer["codec"]),
            duration=duration,
            spans=spans(duration, pauses, self._cutting),
            pauses=pauses,
            listener=self._cutting.listener(),
            track=int(answer["track"]),
        )

    async def _decode(self, job: bytes, room: Path) -> dict[str, Any]:
        said, status = await self._run(job, room)
        answer = _answer(said) if status == 0 else None
        if answer is None:
            raise self._death(status, room)
        if "error" in answer:
            raise _fault(answer["error"], str(answer.get("message")))
        return answer

    def _job(self, file: Path, sound: Path, language: str | None) -> bytes:
        job = {
            "source": os.path.abspath(file),
            "sound": os.path.abspath(sound),
            "rate": RATE,
            "languages": in_files(language),
            "longest": self._limits.longest,
            "memory": self._limits.memory,
            "cpu": self._limits.cpu,
            "size": round((self._limits.longest + 1) * RATE * WIDTH),
        }
        return json.dumps(job).encode() + b"\n"

    async def _run(self, job: bytes, room: Path) -> tuple[bytes, int]:
        """The child's answer and how it ended. It never outlives this call."""
        with (room / "media.log").open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",  # no environment, no user packages, no current directory
                "-c",
                _PROGRAM,
                _ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=room,
                env={},
                start_new_session=True,
                limit=_ANSWER_LIMIT,
            )
        try:
            return await asyncio.wait_for(_converse(child, job), self._limits.wall)
        except TimeoutError:
            raise MediaLimit(
                f"opening the media file took longer than {self._limits.wall:.0f} s: convert it to a common format, "
                "such as .mp4 with AAC sound"
            ) from None
        finally:
            await _end(child)

    def _death(self, status: int, room: Path) -> Fault:
        """What the end of a child that gave no answer means."""
        if status == -signal.SIGXCPU:
            return MediaLimit(
                f"opening the media file took more than {self._limits.cpu} s of processor time: "
                "convert it to a common format, such as .mp4 with AAC sound"
            )
        if status == -signal.SIGKILL:
            return Unavailable("the media process was killed from outside; the system may be out of memory")
        reason = _last_words(room / "media.log") or f"status {status}"
        return UnreadableMedia(f"the media file makes the decoder crash ({reason}): convert it to a common format")


async def _converse(child: asyncio.subprocess.Process, job: bytes) -> tuple[bytes, int]:
    assert child.stdin
    assert child.stdout
    with suppress(BrokenPipeError, ConnectionResetError):  # it died at once: its status says why
        child.stdin.write(job)
        await child.stdin.drain()
        child.stdin.close()
    try:
        said = await child.stdout.readline()
    except ValueError:  # longer than the limit: it is no longer ours
        return b"", -signal.SIGABRT
    return said, await child.wait()


def _answer(said: bytes) -> dict[str, Any] | None:
    """What the child says of its job. None where it makes no sense: a hostile file may have taken the child over."""
    try:
        found = dict(json.loads(said))
        if "error" in found:
            return found
        codec, duration, track = str(found["codec"])[:100], float(found["duration"]), max(0, int(found["track"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return {"codec": codec, "duration": duration, "track": track} if 0 <= duration < float("inf") else None


def _last_words(log: Path) -> str:
    """The end of what FFmpeg said. A file can make it say gigabytes."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1][-300:] if lines else ""


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kills the child's whole group, where it still is, and waits for it."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def _fault(kind: str, message: str) -> Fault:
    match kind:
        case "limit":
            return MediaLimit(f"the media file goes past a limit: {message}")
        case "disk":
            return StorageUnavailable(f"no room on the disk for the decoded sound: {message}. Free some space")
        case _:
            return UnreadableMedia(f"the media file cannot be read: {message}")
