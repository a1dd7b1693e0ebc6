"""The main job through the whole stack: real broker, real database, real media, a provider that keeps a bill."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from chronos import app, queries
from chronos.cancelling import cancel
from chronos.devstack.kafka import kafka_tool
from chronos.searching import search
from chronos.verifying import verify
from schemas.embedding import ChunksEmbedded
from tests.e2e.test_deadletters import chronos
from tests.films import film, noise
from tests.stack import Hands, Stack, until


def lecture(folder: Path, seconds: float, parts: int = 1) -> Path:
    """A film whose content differs with its length: `parts` stretches of sound with silences between."""
    sounds = [(n * (seconds + 3), noise(seconds)) for n in range(parts)]
    return film(folder / f"{seconds}-{parts}.mp4", *sounds)


async def test_a_video_becomes_words_that_are_found_at_their_second(hands: Hands, stack: Stack, tmp_path: Path):
    stack.provider.say("Whales sing across an ocean.")
    path = await hands.upload(lecture(tmp_path, 4), "ada")
    sent = await hands.ask("whales", "ada", path, title="On whales")
    status = await hands.ending(sent)
    assert status["status"] == "completed"
    await until("its cost is known", lambda: paid_for(hands, "whales"))  # which is told on a topic of its own
    assert "Whales" in (await queries.transcript(hands.pool, "whales", "ada"))["text"]
    hits = await search(hands.settings, "singing whale", "ada")
    assert (hits[0].video_id, hits[0].title) == ("whales", "On whales")
    assert "\x02Whales\x03" in hits[0].marked
    assert await search(hands.settings, "singing whale", "somebody-else") == []


async def paid_for(hands: Hands, video: str) -> bool:
    return (await queries.status(hands.pool, video, "ada"))["costMicroUsd"] > 0


async def test_the_same_video_sent_again_is_not_paid_for_again(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(lecture(tmp_path, 5), "ada")
    await hands.ending(await hands.ask("twice", "ada", path))
    paid = len(stack.provider.bill())
    again = await hands.ending(await hands.ask("twice", "ada", path))
    other = await hands.ending(await hands.ask("twice-more", "bob", await hands.upload(lecture(tmp_path, 5), "bob")))
    assert (again["status"], other["status"], other["costMicroUsd"]) == ("completed", "completed", 0)
    assert len(stack.provider.bill()) == paid
    assert stack.provider.bought_twice() == []


async def test_what_the_embedding_model_does_not_take_is_said_in_the_fact(hands: Hands, stack: Stack, tmp_path: Path):
    stack.provider.say("မြန်မာစာ" * 600)  # 9,600 tokens in 4,800 letters; the provider refuses what is above 8,191
    path = await hands.upload(lecture(tmp_path, 2.5), "ada")
    sent = await hands.ask("burmese", "ada", path)
    assert (await hands.ending(sent))["status"] == "completed"
    (chunk,) = await hands.pool.fetch("SELECT tokens FROM chunks WHERE video_id = 'burmese'")
    assert chunk["tokens"] == 9600
    codec = app.codec(await app.topic_ids(hands.settings))
    facts = [codec.read(record).event for record in await hands.embedded(1)]
    left_out = [
        v.left_out for f in facts if isinstance(f, ChunksEmbedded) and f.video_id == "burmese" for v in f.vectors
    ]
    assert left_out == [9600 - 8191]


async def test_a_long_video_is_heard_piece_by_piece_in_order(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(lecture(tmp_path, 40, parts=3), "ada")
    assert (await hands.ending(await hands.ask("long", "ada", path)))["status"] == "completed"
    segments = (await queries.transcript(hands.pool, "long", "ada"))["segments"]
    starts = [segment["start"] for segment in segments]
    assert starts == sorted(starts)
    assert starts[-1] > 86  # the third stretch: silence before it was not heard, its time is the player's
    assert len([call for call in stack.provider.bill() if call.kind == "transcription"]) >= 3


async def test_a_run_that_is_called_off_pays_for_nothing_more(hands: Hands, stack: Stack, tmp_path: Path):
    stack.provider.slow(2.0)
    before = len(stack.provider.calls())
    path = await hands.upload(lecture(tmp_path, 7), "ada")
    sent = await hands.ask("called-off", "ada", path)
    await until("its first call", lambda: called(stack, before + 1))
    await cancel(hands.settings, "called-off", "ada", "the wrong film")
    assert (await hands.ending(sent))["status"] == "cancelled"
    await until("its run is over", lambda: hands.pool.fetchval(OVER, sent.run_id))
    assert [call.kind for call in stack.provider.calls()[before:]] == ["audio"]  # its words were never embedded
    stack.provider.slow(0.0)
    again = await hands.ask("called-off", "ada", path)
    assert (await hands.ending(again))["status"] == "completed"  # what was heard is not paid for again
    assert stack.provider.bought_twice() == []
    with pytest.raises(queries.RunIsOver, match="over already"):
        await cancel(hands.settings, "called-off", "ada", "too late")
    assert (await verify(hands.settings)).differences == []


OVER = "SELECT count(*) > 0 FROM journal.runs WHERE run_id = $1 AND ending = 'cancelled'"


async def called(stack: Stack, count: int) -> bool:
    return len(stack.provider.calls()) >= count


async def test_an_outage_of_the_provider_is_retried_and_told(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(lecture(tmp_path, 6), "ada")
    stack.provider.fail(next=1, status=500, kind="audio")
    sent = await hands.ask("flaky", "ada", path)
    assert (await hands.ending(sent))["status"] == "completed"
    sql = "SELECT attempt, retry_error FROM runs WHERE video_id = 'flaky'"
    row = await until("the retry in the tables", lambda: hands.pool.fetchrow(f"{sql} AND attempt IS NOT NULL"))
    assert (row["attempt"], json.loads(row["retry_error"])["type"]) == (1, "SpeechUnavailable")


async def test_json_from_kafkas_own_producer_is_accepted(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(lecture(tmp_path, 7), "eve")
    old = {
        "name": "video/transcribe.requested",
        "data": {"videoId": "by-hand", "creator_id": "eve", "storagePath": path},
    }
    said = await asyncio.to_thread(
        kafka_tool, "kafka-console-producer", "--bootstrap-server", stack.bootstrap, "--topic", "transcribe.requested",
        stdin=json.dumps(old) + "\n",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr

    async def completed() -> bool:
        return any(
            v["status"] == "completed" for v in await queries.videos(hands.pool, video_id="by-hand", creator_id="eve")
        )

    await until("the video of the console producer", completed)


async def test_kafkas_own_tool_lists_a_group_for_each_function_with_its_lag(hands: Hands, stack: Stack):
    async def listed() -> bool:
        said = await asyncio.to_thread(
            kafka_tool, "kafka-consumer-groups", "--bootstrap-server", stack.bootstrap, "--describe", "--all-groups"
        )
        lines = [line.split() for line in said.stdout.splitlines() if line.startswith("chronos.")]
        groups = {line[0] for line in lines}
        lags = {line[5] for line in lines if line[0] != "chronos.projection" and line[3] != "-"}
        return groups >= {
            "chronos.transcribe-video",
            "chronos.transcribe-video-error",
            "chronos.generate-embeddings",
            "chronos.handle-embedding-failure",
            "chronos.batch-reprocess-embeddings",
            "chronos.projection",
        } and lags <= {"0"}

    await until("all groups with no lag", listed, 40)


async def test_what_a_file_would_cost_is_what_it_costs(hands: Hands, stack: Stack, tmp_path: Path):
    stack.provider.say("a few words")
    file = film(tmp_path / "priced.mp4", (2, noise(7.3)), (40, noise(11.1)))
    planned = await chronos(stack, "estimate", str(file), str(file))
    [one, _] = planned["files"]
    assert planned["costMicroUsd"] == 2 * one["costMicroUsd"]
    assert one["heardSeconds"] < one["durationSeconds"] - 25  # the pause is not paid for
    found = await hands.ending(await hands.ask("priced", "paul", await hands.upload(file, "paul")))
    assert found["durationSeconds"] == one["durationSeconds"]
    spent = await hands.pool.fetch(
        "SELECT usage, sum(cost_micro_usd) FROM journal.spends WHERE creator_id = 'paul' GROUP BY 1"
    )
    bill = dict(map(tuple, spent))
    assert bill["audioSeconds"] == one["speechMicroUsd"] > 0
    assert bill["inputTokens"] <= one["embeddingMicroUsd"]


async def test_videos_are_embedded_again_from_their_transcripts_for_nothing(hands: Hands, stack: Stack, tmp_path: Path):
    stack.provider.say(None)
    path = await hands.upload(lecture(tmp_path, 8), "zoe")
    await hands.ending(await hands.ask("old", "zoe", path))
    served = "SELECT chunk_set_id FROM served WHERE video_id = 'old'"
    before, paid = await hands.pool.fetchval(served), len(stack.provider.bill())
    planned = await chronos(stack, "reprocess", "old", "--creator", "zoe")
    assert planned["videos"] == [{"creatorId": "zoe", "videoId": "old"}]
    assert (planned["paidCalls"], planned["costMicroUsd"], planned["unknown"], planned["executed"]) == (0, 0, 0, False)
    assert planned["remembered"] > 0
    await chronos(stack, "reprocess", "old", "--creator", "zoe", "--plan", planned["plan"], "--execute")

    async def moved() -> bool:
        return await hands.pool.fetchval(served) != before

    await until("the new chunk set is served", moved)
    assert len(stack.provider.bill()) == paid  # the same texts: nothing was bought
    assert await hands.pool.fetchval("SELECT count(DISTINCT chunk_set_id) FROM chunks WHERE video_id = 'old'") == 1


async def test_the_tables_equal_the_fold_of_the_log(hands: Hands):
    report = await verify(hands.settings)
    assert report.differences == []
    assert report.without_ending == []
    assert report.facts > 50


async def test_a_false_row_is_found(hands: Hands):
    await hands.pool.execute("UPDATE videos SET title = 'not said by anybody' WHERE video_id = 'whales'")
    report = await verify(hands.settings)
    assert any("videos" in line and "whales" in line for line in report.differences)
