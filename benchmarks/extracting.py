"""An hour's sound out of its file, beside the ffmpeg command on the same file, which looks for no pauses.

Usage: python -m benchmarks.extracting [--file lecture.mp4] [--times 5]

Without a file, an hour is made: sentences of noise, as AAC. Needs an `ffmpeg` on the PATH.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agents.ports import Fetched
from benchmarks.hour import recording
from chronos.adapters.media import PyAvMedia

GOAL = 1.3


def ours(file: Path, room: Path) -> None:
    asyncio.run(PyAvMedia().extract_audio(Fetched(file, file.stat().st_size, "0" * 64), room))


def ffmpegs(file: Path, room: Path) -> None:
    quietly, wanted = "-v error -nostdin -y", "-vn -ac 1 -ar 16000 -f s16le"
    subprocess.run(["ffmpeg", *quietly.split(), "-i", file, *wanted.split(), room / "beside.pcm"], check=True)


def spent() -> float:
    """Seconds of processor, of this process and of those that it has started."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def timed(work: Callable[[Path, Path], None], file: Path, room: Path) -> tuple[float, float]:
    """Seconds by the clock, and of processor."""
    began, used = time.monotonic(), spent()
    work(file, room)
    return time.monotonic() - began, spent() - used


def measure(file: Path, room: Path, times: int) -> bool:
    """In turns, so that what else the machine does is the same for both. Whether it is within the goal."""
    rounds = [(timed(ffmpegs, file, room), timed(ours, file, room)) for _ in range(times)]
    within = True
    for what, at in (("by the clock", 0), ("of processor", 1)):
        theirs, own = (statistics.median(one[who][at] for one in rounds) for who in (0, 1))
        print(f"seconds {what}: {own:.2f}, ffmpeg {theirs:.2f}, {own / theirs:.2f} times as long")
        within = within and own <= GOAL * theirs
    return within


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    if not shutil.which("ffmpeg"):
        sys.exit("there is no ffmpeg on the PATH to compare with: install one (Debian: ffmpeg)")
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    with tempfile.TemporaryDirectory() as room:
        file = asked.file or recording(Path(room) / "hour.m4a", 60, 1)
        well = measure(file, Path(room), asked.times)
    sys.exit(0 if well else f"more than {GOAL} times the time of ffmpeg")


if __name__ == "__main__":
    main()
