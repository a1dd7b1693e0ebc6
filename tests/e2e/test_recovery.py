"""Replays cost nothing: a rewind with Kafka's own tool, and a journal that is lost and read back from the facts."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from chronos import app
from chronos.devstack.kafka import kafka_tool
from chronos.journal_rebuild import rebuild
from chronos.verifying import verify
from streams.postgres import Pool, connect
from tests.films import film, noise
from tests.stack import Hands, Stack, until

GROUPS = ("chronos.transcribe-video", "chronos.generate-embeddings")


@pytest.mark.parametrize("videos", [4, pytest.param(100, marks=pytest.mark.long)])
async def test_a_rewind_over_finished_videos_pays_for_nothing_and_changes_no_row(
    hands: Hands, stack: Stack, tmp_path: Path, videos: int
):
    sent = []
    for n in range(videos):
        path = await hands.upload(film(tmp_path / f"{n}.mp4", (0, noise(3 + n / 4))), f"creator-{n % 7}")
        sent.append(await hands.ask(f"video-{n}-of-{videos}", f"creator-{n % 7}", path))
    sent.append(await hands.ask(f"lost-of-{videos}", "ada", "ada/nothing.mp4"))
    for one in sent:
        await hands.ending(one, 120)
    paid, before = len(stack.provider.bill()), await rows(hands)
    assert paid >= videos
    await stop_functions(stack)
    rewind_to_earliest(stack)
    stack.start_functions()
    await until("the groups are at the end again", lambda: caught_up(hands))
    assert len(stack.provider.bill()) == paid
    assert await rows(hands) == before


async def test_a_lost_journal_comes_back_from_the_facts(hands: Hands, stack: Stack):
    paid, before = len(stack.provider.calls()), await rows(hands)
    await stop_functions(stack)
    pool = await connect(stack.database)
    journal = await journal_rows(pool)
    await pool.execute("DROP SCHEMA journal CASCADE")

    stack.start_functions("refused")
    code = await asyncio.to_thread(stack.processes.pop("refused").wait, 40)
    assert code == 1
    assert "chronos journal rebuild" in (stack.home / "refused.log").read_text()

    shares: list[float] = []
    found = await rebuild(hands.settings, lambda what, share: shares.append(share))
    assert found["results"] >= 8
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert await journal_rows(pool) == journal
    assert set((await rebuild(hands.settings)).values()) == {0}  # again: it holds all that the log knows
    await pool.close()
    rewind_to_earliest(stack)
    stack.start_functions()
    await until("the groups are at the end again", lambda: caught_up(hands))
    assert len(stack.provider.calls()) == paid
    assert await rows(hands) == before
    report = await verify(hands.settings)
    assert report.differences == []
    assert report.without_ending == []


JOURNAL = {
    "paid": "key, md5(result) AS result, quantity, cost_micro_usd, token",
    "spends": "token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost_micro_usd, keys",
    "runs": (
        "function, fingerprint, input_id, run_id, creator_id, video_id, first_started_at, attempts, ending, error, told"
    ),
    "choices": "name, md5(choice) AS choice",
    "uses": "creator_id, video_id, key, run_id",
}


async def journal_rows(pool: Pool) -> dict[str, list[str]]:
    """What the log knows of the journal, row by row."""
    return {
        name: sorted(str(tuple(row)) for row in await pool.fetch(f"SELECT {columns} FROM journal.{name}"))
        for name, columns in JOURNAL.items()
    }


async def stop_functions(stack: Stack) -> None:
    process = stack.processes.pop("functions")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 40) == 0


def rewind_to_earliest(stack: Stack) -> None:
    for group in GROUPS:
        said = kafka_tool(
            "kafka-consumer-groups", "--bootstrap-server", stack.bootstrap, "--group", group,
            "--reset-offsets", "--to-earliest", "--all-topics", "--execute",
        )  # fmt: skip
        assert said.returncode == 0, said.stderr + said.stdout


async def caught_up(hands: Hands) -> bool:
    return await app.total_lag(hands.settings) == 0


async def rows(hands: Hands) -> dict[str, list[str]]:
    """Every table's rows as text."""
    names = (
        "videos",
        "runs",
        "transcripts",
        "chunk_sets",
        "chunks",
        "embeddings",
        "embedded_sets",
        "usage",
        "failures",
    )
    found = {}
    for name in names:
        found[name] = sorted(r["line"] for r in await hands.pool.fetch(f"SELECT md5(t::text) AS line FROM {name} AS t"))
    return found
