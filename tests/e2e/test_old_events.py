"""An event gets a second version on a running system: old bytes and new ones are one log, and a rebuild is right."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chronos import app
from streams.kafka import Outbox
from tests.e2e.test_rewind import caught_up, videos
from tests.golden.make import GOLDEN
from tests.pages import Copy, lines
from tests.stack import Hands, Stack, until

NAME = "transcription.completed"
OLD = (GOLDEN / f"{NAME}.v1.bin").read_bytes()

SAY = """
import asyncio
from chronos import app
from chronos.config import Settings
from chronos.sending import sender
from schemas.transcription import Transcript, TranscriptionCompleted


async def main():
    settings = Settings()
    spoken = Transcript(text="two words", language="en", duration_seconds=60, model="whisper-1", segments=[])
    said = TranscriptionCompleted(
        video_id="new", creator_id="ada", audio_sha256="0" * 64, transcript=spoken, words=7
    )
    async with sender(app.cluster(settings), await app.topic_ids(settings), "test") as send:
        await send.send(said)


asyncio.run(main())
"""


@pytest.mark.long
async def test_a_log_of_two_versions_is_folded_and_rebuilt_as_one(hands: Hands, stack: Stack, tmp_path: Path):
    """docs/how-to/change-an-event.md and add-a-projection.md, followed in a copy of the program that then runs here."""
    await videos(hands, tmp_path, "before", 2)
    await until("all is acked", lambda: caught_up(hands))
    for name in ("functions", "projection"):
        await asyncio.to_thread(stack.terminate, name)
    program = Copy.make(tmp_path / "copy")
    program.follow("change-an-event")
    program.follow("add-a-projection")
    program.replace("projections/pace.py", "len(fact.transcript.text.split())", "fact.words")
    await run(program, stack, "-m", "schemas", "write")

    stack.start("projection", "--projection", more=program.environment())
    await put(hands, OLD)
    await run(program, stack, "-c", SAY)
    await put(hands, OLD)
    await until("what was said meanwhile is folded", lambda: paces(hands, 2))
    for words in lines("add-a-projection"):
        await run(program, stack, "-m", *words)

    counted = {row["video_id"]: len(row["body"].split()) for row in await hands.pool.fetch("SELECT * FROM transcripts")}
    assert counted["new"] == 2
    assert await paces(hands, 4) == {**counted, "new": 7}  # told by the new, counted in the old


async def test_a_version_that_came_before_its_readers_stops_the_projection_until_they_are_there(
    hands: Hands, stack: Stack, tmp_path: Path
):
    """The wrong order of a deploy, which change-an-event.md warns of: nothing is missing after it."""
    await asyncio.to_thread(stack.terminate, "projection")
    stack.start_projection()
    program = Copy.make(tmp_path / "copy")
    program.follow("change-an-event")
    await run(program, stack, "-m", "schemas", "write")
    await run(program, stack, "-c", SAY.replace('"new"', '"early"'))
    older = stack.processes.pop("projection")
    assert await asyncio.to_thread(older.wait, 60) != 0
    assert "was said by a newer Chronos" in (stack.home / "projection.log").read_text()
    assert not await early(hands)

    stack.start("projection", "--projection", more=program.environment())
    await until("it is folded", lambda: early(hands))


async def early(hands: Hands) -> bool:
    return bool(await hands.pool.fetch("SELECT FROM transcripts WHERE video_id = 'early'"))


async def run(program: Copy, stack: Stack, *words: str) -> None:
    done = await asyncio.to_thread(program.run, *words, more=stack.environment())
    assert done.returncode == 0, (words, done.stdout, done.stderr)


async def put(hands: Hands, value: bytes) -> None:
    outbox = Outbox(app.cluster(hands.settings))
    try:
        await outbox.send(NAME, b"key", value, [])
    finally:
        await outbox.close()


async def paces(hands: Hands, count: int) -> dict[str, int]:
    """The words of each video, once there are so many."""
    if not await hands.pool.fetchval("SELECT to_regclass('pace') IS NOT NULL"):
        return {}
    found = {row["video_id"]: row["words"] for row in await hands.pool.fetch("SELECT video_id, words FROM pace")}
    return found if len(found) == count else {}
