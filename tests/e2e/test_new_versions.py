"""A function that works otherwise by now: a rewind cuts anew, buys what nobody has bought, and readers miss no row."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from chronos import planning, queries, rewinding
from chronos.offsets import Earliest
from chronos.searching import search
from chronos.verifying import verify
from tests.e2e.test_rewind import TRANSCRIBE, caught_up
from tests.films import film, noise, quiet
from tests.stack import Hands, Stack, until

CUTTING = {"shortest": 5.0, "longest": 15.0}
CHUNKING = {"shortest": 20, "aim": 25, "longest": 45, "overlap": 2}

Passages = dict[str, set[tuple[float, str]]]  # of each video: where a hit begins, and what it says


@pytest.mark.long
async def test_another_cutter_pays_for_new_segments_alone_and_readers_see_old_rows_or_new_ones(
    hands: Hands, stack: Stack, tmp_path: Path
):
    """Each long video is 10 s of sound, which both cutters send whole, a lull, and 26 s that the new one cuts once."""
    restart(stack, {"CHRONOS_CHUNKING": json.dumps(CHUNKING)})
    videos = [await spoken(hands, tmp_path, f"long-{n}", 10, 26) for n in range(3)]
    videos += [await spoken(hands, tmp_path, f"short-{n}", 10) for n in range(2)]
    await until("all is acked", lambda: caught_up(hands))
    restart(stack, {"CHRONOS_CHUNKING": json.dumps(CHUNKING), "CHRONOS_CUTTING": json.dumps(CUTTING)})
    before, bought = await passages(hands), await spent(hands)

    now = hands.settings.model_copy(update={"cutting": CUTTING})
    planned = await planning.plan(now, TRANSCRIBE, Earliest())
    seen = planned.foresight
    assert (seen.runs, seen.needs.remembered, seen.needs.calls, seen.needs.unknown) == (5, 5, 6, 0)
    stack.provider.slow(0.2)
    async with a_reader(hands, videos) as read:
        await rewinding.execute(now, planned, reason="shorter segments")
        await until("all is acked", lambda: caught_up(hands))
        after = await passages(hands)

    paid = await spent(hands)
    assert paid["transcribe-video"][0] - bought["transcribe-video"][0] == seen.needs.calls
    assert paid["transcribe-video"][1] - bought["transcribe-video"][1] == seen.needs.cost_micro_usd > 0
    assert paid["generate-embeddings"][0] - bought["generate-embeddings"][0] == 3  # the short ones say what they said
    assert {video for video in videos if before[video] != after[video]} == {"long-0", "long-1", "long-2"}
    assert before in read
    assert after in read
    for answer in read:
        for video in videos:
            assert any(answer[video] >= whole[video] for whole in (before, after)), (video, answer[video])
            assert answer[video] <= before[video] | after[video]
    for settings in (now, hands.settings):  # those of before are over as well, and say nothing anew
        assert (await planning.plan(settings, TRANSCRIBE, Earliest())).foresight.runs == 0
    assert await sets_of(hands) == dict.fromkeys(videos, 1)
    assert (await verify(hands.settings)).ok


async def test_what_no_pause_on_the_log_can_tell_is_said_to_be_unknown(hands: Hands, stack: Stack, tmp_path: Path):
    await spoken(hands, tmp_path, "unheard", 3)
    await until("all is acked", lambda: caught_up(hands))
    deaf = hands.settings.model_copy(update={"cutting": {"pause": 1.0}})
    seen = (await planning.plan(deaf, TRANSCRIBE, Earliest())).foresight
    assert seen.runs == seen.needs.unknown > 0
    assert seen.needs.calls == 0


def restart(stack: Stack, more: dict[str, str]) -> None:
    stack.terminate("functions")
    stack.start_functions(more=more)


async def spoken(hands: Hands, home: Path, name: str, *stretches: float) -> str:
    """A video with stretches of sound, each with four seconds of silence after it; no other says the same."""
    loudness = 0.5 + zlib.crc32(name.encode()) / 2**34
    sound = [part for seconds in stretches for part in (noise(seconds, 16_000) * loudness, quiet(4, 16_000))]
    file = film(home / f"{name}.wav", (0, np.concatenate(sound)), codec="pcm_s16le", rate=16_000)
    sent = await hands.ask(name, "ada", await hands.upload(file, "ada"))
    assert (await hands.ending(sent))["status"] == "completed"
    return name


@asynccontextmanager
async def a_reader(hands: Hands, videos: list[str]) -> AsyncIterator[list[Passages]]:
    """Somebody who searches, and reads transcripts, again and again; gives what was found."""
    found: list[Passages] = []
    enough = asyncio.Event()

    async def read() -> None:
        while not enough.is_set():
            found.append(await passages(hands))
            for video in videos:
                assert (await queries.transcript(hands.pool, video, None))["text"]

    reading = asyncio.create_task(read())
    try:
        yield found
    finally:
        enough.set()
        await reading


async def passages(hands: Hands) -> Passages:
    found: Passages = defaultdict(set)
    for hit in await search(hands.settings, "tide moon bread", None, limit=50):
        found[hit.video_id].add((hit.start_seconds, hit.text))
    return found


async def spent(hands: Hands) -> dict[str, tuple[int, int]]:
    """Of each function: paid calls, and what they cost."""
    rows = await hands.pool.fetch(
        "SELECT function, count(*) AS calls, sum(cost_micro_usd) AS cost FROM journal.spends GROUP BY function"
    )
    return {row["function"]: (row["calls"], int(row["cost"])) for row in rows}


async def sets_of(hands: Hands) -> dict[str, int]:
    """How many chunk sets each video has."""
    rows = await hands.pool.fetch("SELECT video_id, count(DISTINCT chunk_set_id) AS sets FROM chunks GROUP BY video_id")
    return {row["video_id"]: row["sets"] for row in rows}
