"""What an attempt has paid for is on the log before its run is said to have failed: it is never bought again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from chronos.journal_rebuild import rebuild
from chronos.sending import Sent
from chronos.verifying import verify
from streams.postgres import connect
from tests.films import film, noise
from tests.stack import Hands, Stack, new_stack, until

SOUNDS = [(45 * n, noise(30)) for n in range(4)]
KEPT = "SELECT count(*) FROM journal.paid"


@pytest.mark.long
async def test_what_a_dead_attempt_bought_outlives_the_journal_though_the_next_one_fails_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHRONOS_PARALLEL_CALLS", "2")  # so that the third and the fourth piece follow what is held back
    with new_stack(tmp_path) as stack:
        stack.start_projection()
        async with stack.hands() as hands:
            path = await hands.upload(film(tmp_path / "film.mp4", *SOUNDS), "ada")
            sent = await die_with_answers_that_no_fact_carries(stack, hands, path)
            bought = stack.provider.bought()
            stored, aside = stack.home / "store" / path, tmp_path / "aside.mp4"
            stored.rename(aside)
            await fail_at_the_download(stack, hands, sent)
            await lose_the_journal(stack, hands)
            aside.rename(stored)
            stack.start_functions()
            assert (await hands.ending(await hands.ask("film", "ada", path), 90))["status"] == "completed"
            assert [content for content in stack.provider.bought_twice() if content in bought] == []
            assert (await verify(hands.settings, grace=0.0)).ok


async def die_with_answers_that_no_fact_carries(stack: Stack, hands: Hands, path: str) -> Sent:
    """An answer of the first two does not come: those of later pieces are kept, and wait for it to be told in order."""
    stack.provider.hang(next=1, kind="audio")
    stack.start_functions()
    sent = await hands.ask("film", "ada", path)

    async def kept() -> bool:
        known = await hands.pool.fetchval("SELECT to_regclass('journal.paid') IS NOT NULL")
        return known and await hands.pool.fetchval(KEPT) == len(SOUNDS) - 1

    await until("the other pieces are kept", kept)
    stack.kill("functions")
    assert (await verify(hands.settings)).open["results"] >= 2
    return sent


async def fail_at_the_download(stack: Stack, hands: Hands, sent: Sent) -> None:
    stack.start_functions()
    status = await hands.ending(sent, 90)
    assert (status["status"], status["error"]["type"]) == ("failed", "ObjectMissing")
    report = await verify(hands.settings, grace=0.0)
    assert report.differences == []


async def lose_the_journal(stack: Stack, hands: Hands) -> None:
    process = stack.processes.pop("functions")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 40) == 0
    pool = await connect(stack.database)
    await pool.execute("DROP SCHEMA journal CASCADE")
    await pool.close()
    await rebuild(hands.settings)
