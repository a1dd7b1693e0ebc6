"""chronos verify: silent while the system works, and it names each thing that is not as the log says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chronos.devstack.kafka import kafka_tool
from chronos.report import Report
from chronos.sending import Sent
from chronos.verifying import verify
from schemas.avro import encode
from schemas.embedding import EmbeddingsCompleted
from streams.kafka import Cluster, Outbox
from tests.films import film, noise
from tests.stack import Hands, Stack, until

NOTHING_OPEN = {"spends": 0, "results": 0, "lateResults": 0, "requests": 0}


async def some_videos(hands: Hands, folder: Path, count: int, first: int = 0) -> list[Sent]:
    """Requests for videos of three creators, each of another length, and for one that is not there."""
    sent = [await hands.ask(f"gone-{first}", "ada", f"ada/gone-{first}.mp4")]
    for n in range(first, first + count):
        path = await hands.upload(film(folder / f"{n}.mp4", (0, noise(4 + n / 7)), (40, noise(3))), f"creator-{n % 3}")
        sent.append(await hands.ask(f"video-{n}", f"creator-{n % 3}", path, title=f"Video {n}"))
    return sent


async def verify_until_over(hands: Hands, sent: list[Sent]) -> list[Report]:
    """Verifies again and again while the videos are processed, and once more."""
    over = asyncio.ensure_future(asyncio.gather(*(hands.ending(one) for one in sent)))
    reports = []
    while not over.done():
        reports.append(await verify(hands.settings))
    await over
    return [*reports, await verify(hands.settings)]


async def test_nothing_is_reported_while_videos_are_processed(hands: Hands, stack: Stack, tmp_path: Path):
    stack.provider.slow(0.4)
    outbox = Outbox(Cluster(stack.bootstrap))
    await outbox.send("transcribe.requested", b"ada", b"neither Avro nor JSON", [])
    await outbox.close()
    first = await some_videos(hands, tmp_path, 8)
    reports = await verify_until_over(hands, first)
    stack.provider.fail(next=3, status=500)
    reports += await verify_until_over(hands, await some_videos(hands, tmp_path, 8, first=8))
    assert [report.differences for report in reports] == [[]] * len(reports)
    assert [report.without_ending for report in reports] == [[]] * len(reports)
    assert len(reports) > 3
    assert any(report.open["requests"] for report in reports)  # it looked while something was going on
    assert reports[-1].open == NOTHING_OPEN
    assert reports[-1].dead_letters == 1


async def test_nothing_is_reported_while_the_projection_reads_its_topics_again(hands: Hands, stack: Stack):
    await stop(stack, "projection")
    reset(stack, "chronos.projection", "--to-earliest")
    stack.start_projection()
    for _ in range(4):
        assert (await verify(hands.settings)).differences == []


pytestmark = pytest.mark.long  # one after another, on what the first has made: two minutes


@pytest.fixture(scope="module")
async def at_rest(stack: Stack) -> None:
    """No function runs from here on, so that nothing mends what is planted."""
    await stop(stack, "functions")


VIDEO = "creator_id = 'creator-1' AND video_id = 'video-1'"
CHUNK = 'creator_id, video_id, chunk_set_id, "index", body, start_seconds, end_seconds, words, tokens, text_version'
PAID = "INSERT INTO journal.paid (key, result, quantity, cost_micro_usd, token, paid_at)"

STRAY = "INSERT INTO videos (creator_id, video_id) VALUES ('ada', 'stray')"

PLANTED = [
    pytest.param("DELETE FROM embeddings WHERE {video}", "chunksWithoutVector", "has no vector", id="no-vector"),
    pytest.param("DELETE FROM embeddings WHERE {video}", "rows", "in the log, and not in the tables", id="row-gone"),
    pytest.param("DELETE FROM chunks WHERE {video}", "vectorsWithoutChunk", "has no chunk", id="no-chunk"),
    pytest.param(STRAY, "rows", "in the tables, and not in the log", id="stray"),
    pytest.param("UPDATE videos SET title = 'nobody said so' WHERE {video}", "rows", "differs", id="value"),
    pytest.param("DELETE FROM served WHERE {video}", "rows", "served creator_id=creator-1", id="not-served"),
    pytest.param(
        "DELETE FROM journal.spends WHERE {video}", "usageUnexplained", "no spend of the journal", id="spend-gone"
    ),
    pytest.param(
        "UPDATE journal.spends SET cost_micro_usd = 7 WHERE {video}", "usageUnexplained", "the journal says", id="price"
    ),
    pytest.param(
        "INSERT INTO journal.spends SELECT gen_random_uuid(), function, input_id, run_id, creator_id, video_id, usage, "
        "model, quantity, cost_micro_usd, keys, spent_at FROM journal.spends WHERE {video}",
        "usageMissing", "its usage is not on the log", id="usage-untold",
    ),
    pytest.param(
        PAID + " SELECT 'planted', '', 1, 1, token, spent_at FROM journal.spends WHERE {video} LIMIT 1",
        "resultsUncarried", "result planted is paid, the run that bought it is over", id="uncarried",
    ),
    pytest.param(
        PAID + " VALUES ('planted', '', 1, 1, gen_random_uuid(), now())",
        "resultsUncarried", "no spend of the journal bought it", id="unbought",
    ),
]  # fmt: skip


@pytest.mark.usefixtures("at_rest")
@pytest.mark.parametrize(("plant", "kind", "says"), PLANTED)
async def test_what_was_planted_is_named_and_nothing_else_is_after_it_is_taken_away(
    hands: Hands, plant: str, kind: str, says: str
):
    async with planted(hands, plant.format(video=VIDEO)):
        report = await verify(hands.settings, grace=0.0)
    assert not report.ok
    assert report.counts[kind] >= 1
    assert any(says in line for line in report.differences), report.differences
    assert (await verify(hands.settings, grace=0.0)).ok


RUN = (
    "INSERT INTO journal.runs (function, fingerprint, input_id, run_id, first_started_at) "
    "SELECT 'f', '1', input, input, 1 FROM open"
)
SPEND = (
    "INSERT INTO journal.spends (token, function, input_id, run_id, usage, model, quantity, cost_micro_usd, keys) "
    "SELECT input, 'f', input, input, 'audioSeconds', 'm', 1, 1, ARRAY['planted'] FROM open"
)


@pytest.mark.usefixtures("at_rest")
async def test_what_a_run_has_bought_that_is_going_on_is_no_difference(hands: Hands):
    opening = "CREATE TEMP TABLE open AS SELECT gen_random_uuid() AS input"
    bought = f"{PAID} SELECT 'planted', '', 1, 1, input, now() FROM open"
    async with planted(hands, opening, RUN, SPEND, bought):
        report = await verify(hands.settings, grace=0.0)
    assert report.differences == []
    assert (report.open["results"], report.open["spends"]) == (1, 1)


@pytest.mark.usefixtures("at_rest")
async def test_an_answer_that_came_after_its_runs_end_is_no_difference(hands: Hands):
    late = f"{PAID} SELECT 'planted', '', 1, 1, token, now() FROM journal.spends WHERE {VIDEO} LIMIT 1"
    async with planted(hands, late):
        report = await verify(hands.settings, grace=0.0)
    assert report.differences == []
    assert report.open["lateResults"] == 1


@pytest.mark.usefixtures("at_rest")
async def test_a_script_learns_of_a_difference_by_the_exit_code(hands: Hands, stack: Stack):
    code, said = await chronos_verify(stack)
    assert (code, said["ok"], said["differences"]) == (0, True, [])
    async with planted(hands, STRAY):
        code, said = await chronos_verify(stack)
    assert (code, said["ok"], said["counts"]) == (1, False, {"rows": 1})


@pytest.mark.usefixtures("at_rest")
async def test_a_request_is_open_until_its_function_is_done_with_it_and_then_it_is_lost(hands: Hands, stack: Stack):
    sent = await hands.ask("forgotten", "ada", "ada/nothing.mp4")

    async def pending() -> bool:
        return (await verify(hands.settings)).open["requests"] == 1

    await until("the request is open", pending)
    reset(stack, "chronos.transcribe-video", "--to-latest")
    report = await verify(hands.settings)
    assert [run["runId"] for run in report.without_ending] == [sent.run_id]
    assert not report.ok


@pytest.mark.usefixtures("at_rest")
async def test_a_set_that_is_said_to_be_complete_and_is_not_on_the_log_is_named(hands: Hands, stack: Stack):
    outbox = Outbox(Cluster(stack.bootstrap))
    lie = EmbeddingsCompleted(video_id="liar", creator_id="ada", chunk_set_id="none", space="s/3", chunks=2)
    await outbox.send(lie.name, lie.key().encode(), encode(lie), [])
    await outbox.close()
    report = await verify(hands.settings)
    assert report.counts["chunksWithoutVector"] == 1
    assert any("said to have 2 chunks; the log holds 0 chunks" in line for line in report.differences)


@asynccontextmanager
async def planted(hands: Hands, *statements: str) -> AsyncIterator[None]:
    """The statements are carried out, and everything that they touch is put back at the end."""
    tables = {"embeddings": "*", "chunks": CHUNK, "videos": "*", "served": "*"}
    tables |= dict.fromkeys(("journal.runs", "journal.spends", "journal.paid"), "*")
    async with hands.pool.acquire() as connection:
        for table, columns in tables.items():
            await connection.execute(f'CREATE TEMP TABLE "kept {table}" AS SELECT {columns} FROM {table}')
        for statement in statements:
            await connection.execute(statement)
        try:
            yield
        finally:
            for table, columns in tables.items():
                names = "" if columns == "*" else f"({columns})"
                await connection.execute(f'DELETE FROM {table}; INSERT INTO {table} {names} TABLE "kept {table}"')
            await connection.execute("DISCARD TEMP")


async def chronos_verify(stack: Stack) -> tuple[int, dict[str, object]]:
    """Exit code and JSON of the command."""
    env = os.environ | {"KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap, "DATABASE_URL": stack.database}
    argv = [sys.executable, "-m", "chronos", "verify", "--json", "--home", str(stack.home)]
    said = await asyncio.to_thread(
        subprocess.run, argv, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert said.stdout, said.stderr
    return said.returncode, json.loads(said.stdout)


async def stop(stack: Stack, name: str) -> None:
    process = stack.processes.pop(name)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 40) == 0


def reset(stack: Stack, group: str, where: str) -> None:
    argv = ("--bootstrap-server", stack.bootstrap, "--group", group, "--reset-offsets", where, "--all-topics")
    said = kafka_tool("kafka-consumer-groups", *argv, "--execute")
    assert said.returncode == 0, said.stderr + said.stdout
