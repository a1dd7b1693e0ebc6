"""An hour of speech through the whole system, with a provider that takes two seconds a segment: its time and its floor.

The floor is what the calls take with as many as are allowed in the air all the time: segments / parallel x seconds.

Usage: python -m benchmarks.hour [--minutes 60] [--seconds 2] [--times 3]
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import platform
import statistics
import sys
import tempfile
import time
import wave
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from chronos.config import Settings
from tests.films import film
from tests.provider import Provider
from tests.stack import Hands, new_stack, until

GOAL = 1.2
RATES = {"wav": 16_000, "m4a": 44_100}  # raw sound as it is sent, and what phones and cameras make
PAUSE = (0.35, 0.9)  # seconds between two sentences: it counts as a pause, and is no lull that is left out
SENTENCE = (1.5, 6.0)


@dataclass(frozen=True)
class Passage:
    """One video's way, in seconds."""

    segments: int
    before: float  # from the request to the first call: bringing the file, taking its sound out, cutting
    calls: float  # from the first call to the end of the last
    after: float  # until the transcript stands in its table
    each: float  # one call, as the provider sees it: its own work comes on top of what it was told to take

    @property
    def whole(self) -> float:
        return self.before + self.calls + self.after


def speech(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Noise in sentences, with pauses; another seed is another recording."""
    dice = np.random.default_rng(seed)
    sound = dice.normal(0, 0.1, round(seconds * rate)).astype(np.float32)
    at = 0.0
    while at < seconds:
        at += dice.uniform(*SENTENCE)
        pause = dice.uniform(*PAUSE)
        sound[round(at * rate) : round((at + pause) * rate)] *= 0.001
        at += pause
    return sound.clip(-1, 1)


def recording(file: Path, minutes: float, seed: int) -> Path:
    kind = file.suffix[1:]
    sound = speech(minutes * 60, RATES[kind], seed)
    if kind == "m4a":
        return film(file, (0, sound))
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, RATES[kind], len(sound), "NONE", ""))
        out.writeframes((sound * 32767).astype("<i2").tobytes())
    return file


async def passage(hands: Hands, provider: Provider, video: str, file: Path, seconds: float) -> Passage:
    path = await hands.upload(file, "ada")
    provider.clear()
    provider.slow(seconds)
    began = time.time()
    sent = await hands.ask(video, "ada", path)
    sql = "SELECT 1 FROM transcripts WHERE video_id = $1"
    await until("the transcript", lambda: hands.pool.fetchval(sql, video), patience=900)
    done = time.time()
    calls = [call for call in provider.calls() if call.kind == "audio"]
    await hands.ending(sent)  # else its embeddings would be in the way of the next
    took = [(call.ended or done) - call.started for call in calls]
    first, last = min(call.started for call in calls), max(call.ended or done for call in calls)
    return Passage(len(calls), first - began, last - first, done - last, statistics.mean(took))


async def measure(hands: Hands, provider: Provider, asked: argparse.Namespace) -> dict[str, list[Passage]]:
    found: dict[str, list[Passage]] = {}
    for kind in RATES:
        for n in range(asked.times):
            file = await asyncio.to_thread(recording, hands.settings.home / f"{kind}-{n}.{kind}", asked.minutes, n)
            found.setdefault(kind, []).append(await passage(hands, provider, f"{kind}-{n}", file, asked.seconds))
    return found


def tell(kind: str, found: list[Passage], parallel: int, seconds: float) -> bool:
    """Says what the one in the middle took, and whether that is within the goal."""
    one = sorted(found, key=lambda each: each.whole)[len(found) // 2]
    floor = one.segments / parallel * seconds
    rounds = math.ceil(one.segments / parallel)
    print(f"{kind}: {one.whole:.1f} s, {one.whole / floor:.2f} times the floor of {floor:.1f} s")
    print(
        f"  {one.segments} segments, {parallel} at once: {rounds} rounds of {seconds:g} s; a call took {one.each:.2f} s"
    )
    print(f"  until the first call {one.before:.1f}, calls {one.calls:.1f}, after the last {one.after:.1f} s")
    return one.whole <= GOAL * floor


async def run(asked: argparse.Namespace) -> dict[str, list[Passage]]:
    with tempfile.TemporaryDirectory() as folder, new_stack(Path(folder)) as stack:
        stack.start_functions()
        stack.start_projection()
        async with stack.hands() as hands:
            await passage(hands, stack.provider, "warm", recording(stack.home / "warm.wav", 1, 99), 0)
            return await measure(hands, stack.provider, asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seconds", type=float, default=2, help="that a call takes")
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    found = asyncio.run(run(asked))
    parallel = Settings().parallel_calls
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"{asked.minutes:g} minutes of speech, the median of {asked.times}, until the transcript stands in its table")
    well = [tell(kind, passages, parallel, asked.seconds) for kind, passages in found.items()]
    sys.exit(0 if all(well) else f"more than {GOAL} times the floor")


if __name__ == "__main__":
    main()
