"""How many words the local model hears wrong, on recordings of people whose words are known.

Usage: python -m benchmarks.words [--folder ../shared/data/speech]

The recordings, and what is said in them, are told by the README.md beside them. The way is a video's own: its sound is
taken out and cut at pauses, and each piece is heard alone, asked for and placed by the adapter.

What is compared: words in lower case, without punctuation, a hyphen being a space, `mr` and `mrs` as they are said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from agents.transcribe_video import segments
from chronos.adapters.media import PyAvMedia
from chronos.adapters.openai_client import connect
from chronos.adapters.openai_speech import OpenAiSpeech
from chronos.adapters.sound import cut
from chronos.devstack.local_ai.answers import verbose
from chronos.devstack.local_ai.models import WhisperTiny
from schemas.transcription import TranscribeRequested
from tests.films import fetched

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "speech"
ROW = re.compile(r"^\| (?P<file>[\w-]+\.\w+) .*\| (?P<said>[^|(]+)", re.MULTILINE)
AS_SAID = {"mr": "mister", "mrs": "missus"}


def known(folder: Path) -> Iterator[tuple[Path, str]]:
    """Recordings and what is said in them."""
    rows = list(ROW.finditer((folder / "README.md").read_text()))
    if not rows:
        sys.exit(f"{folder / 'README.md'} names no recording: it wants a table of `| file | what is said |`")
    for row in rows:
        yield folder / row["file"], row["said"].strip()


def plain(text: str) -> list[str]:
    words = re.findall(r"[\w']+", text.casefold())
    return [AS_SAID.get(word, word) for word in words]


def wrong(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to put in, leave out or change until the two are the same (Levenshtein's distance)."""
    above = list(range(len(heard) + 1))
    for count, word in enumerate(said, 1):
        row = [count]
        for other, (before, over) in zip(heard, pairwise(above), strict=True):
            row.append(min(before + (word != other), over + 1, row[-1] + 1))
        above = row
    return above[-1]


async def hear(model: WhisperTiny, file: Path, room: Path) -> str:
    audio = await PyAvMedia().extract_audio(fetched(file), room)
    placing = OpenAiSpeech(connect("http://127.0.0.1:9/v1", "none", 1), model.name, micro_usd_per_minute={})
    texts = []
    for piece in segments(TranscribeRequested(video_id="v", creator_id="c", storage_path="v"), audio):
        answer = verbose(model.hear(cut(piece), language=None, prompt=None), ["word", "segment"])
        passages, _ = placing.hear(piece, json.dumps(answer).encode())
        texts += [passage.text for passage in passages]
    await placing.close()
    return " ".join(texts)


async def measure(folder: Path) -> None:
    model = WhisperTiny()
    model.load()
    all_said = all_wrong = 0
    with tempfile.TemporaryDirectory() as room:
        for file, reference in known(folder):
            heard = await hear(model, file, Path(room))
            said, missed = plain(reference), wrong(plain(reference), plain(heard))
            print(f"{file.name}: {missed} of {len(said)} words wrong; heard: {heard}")
            all_said, all_wrong = all_said + len(said), all_wrong + missed
    print(f"word error rate of {model.name}: {all_wrong / all_said:.1%} ({all_wrong} of {all_said} words)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    asked = parser.parse_args()
    if not asked.folder.is_dir():
        sys.exit(f"no recordings at {asked.folder}: name a folder of them, with their words in its README.md")
    print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    asyncio.run(measure(asked.folder))


if __name__ == "__main__":
    main()
