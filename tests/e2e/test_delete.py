"""A video that is deleted is gone, and nothing brings it back but a new request; what others share with it stays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from chronos import deleting, journal_rebuild, planning, queries, rebuilding, switching
from chronos.devstack.kafka import kafka_tool
from chronos.offsets import Earliest
from chronos.pipeline import PROJECTION_GROUP, TABLES
from chronos.searching import search
from chronos.verifying import verify
from projections.deletions import is_about_videos
from schemas.embedding import ChunkRequested
from schemas.event import Coordinates
from streams.journal import prepare
from tests.e2e.test_rewind import caught_up, chronos
from tests.films import film, noise
from tests.stack import Hands, Stack, until

GONE = {("ada", "alone"), ("ada", "shared")}


async def test_what_is_deleted_stays_gone_until_it_is_sent_again(hands: Hands, stack: Stack, tmp_path: Path):
    """`alone` has words of its own; those of `shared` and marco's `copy` are bought once, for both."""
    words = await three_videos(hands, tmp_path)
    paid = await calls(hands)
    for video, results, shared in (("alone", 2, 0), ("shared", 0, 2)):
        shown = await said(stack, "delete", video, "--creator", "ada")
        assert (shown["paidResults"], shown["sharedResults"], shown["executed"]) == (results, shared, False)
        assert shown["rows"]["videos"] == shown["rows"]["transcripts"] == 1
        assert {("ada", video), ("marco", "copy")} <= await found(hands, words)
        assert (await said(stack, "delete", video, "-c", "ada", "--execute", "--reason", "a test"))["runId"]
        await is_gone(hands, stack, "ada", video)
    [act, _] = await said(stack, "history")
    assert (act["act"], act["target"], act["reason"]) == ("delete", "shared of ada", "a test")
    assert await found(hands, words) == {("marco", "copy")}
    assert await kept(hands) == 2

    recut = hands.settings.model_copy(update={"chunking": {"shortest": 30, "aim": 40, "longest": 70, "overlap": 5}})
    seen = (await planning.plan(recut, "chronos.generate-embeddings", Earliest())).foresight
    assert (seen.runs, seen.silent) == (1, 2)  # a new way of cutting concerns the copy alone
    await rewind_everything(hands, stack)
    await nothing_came_back(hands, stack, words, paid)
    for question in (["--video", "alone"], ["--where", "creator=ada"]):
        assert (await chronos(stack, "rewind", "transcribe-video", *question)).exit_code == 1

    await rebuilding.rebuild(hands.settings)
    await switching.switch(hands.settings, "a test")
    await nothing_came_back(hands, stack, words, paid)
    await switching.rollback(hands.settings, "a test")
    await switching.drop(hands.settings, "a test")

    await lose_the_journal(hands, stack)
    await rewind_everything(hands, stack)
    await nothing_came_back(hands, stack, words, paid)

    for video, bought in (("alone", 2), ("shared", 0)):
        await hands.ending(await hands.ask(video, "ada", f"ada/{video}.wav"))
        await until("all is acked", lambda: caught_up(hands))
        paid += bought
        assert await calls(hands) == paid
    assert await found(hands, words) == {*GONE, ("marco", "copy")}
    assert (await verify(hands.settings)).ok


async def test_a_run_that_is_under_way_ends_and_leaves_nothing_that_is_paid(hands: Hands, stack: Stack, tmp_path: Path):
    await prepare(hands.pool)
    stack.provider.slow(3)
    await put(hands, tmp_path, "under-way", "ada", 0.9)
    await hands.ask("under-way", "ada", "ada/under-way.wav")
    await until("it is heard", lambda: is_transcribing(hands))
    await said(stack, "delete", "under-way", "--execute")
    await until("all is acked", lambda: caught_up(hands))
    stack.provider.slow(0)
    await is_gone(hands, stack, "ada", "under-way")
    assert await hands.pool.fetchval("SELECT count(*) FROM journal.uses WHERE video_id = 'under-way'") == 0
    assert [call.kind for call in stack.provider.calls()] == ["audio"]  # which was in the air
    await until("the usage is told", lambda: is_ok(hands))


async def test_a_later_wish_does_not_embed_the_transcript_of_a_deleted_video(
    hands: Hands, stack: Stack, tmp_path: Path
):
    await put(hands, tmp_path, "wished", "ada", 0.8)
    await hands.ending(await hands.ask("wished", "ada", "ada/wished.wav"))
    where = 'SELECT topic, "partition", "offset" FROM transcripts WHERE video_id = $1'
    place = Coordinates(**await hands.pool.fetchrow(where, "wished"))
    await said(stack, "delete", "wished", "--execute")
    wish = ChunkRequested(video_id="wished", creator_id="ada", reason="a test", transcript=place)
    status = await hands.ending(await hands.send.send(wish))
    assert (status["status"], status["title"]) == ("failed", None)
    assert "was deleted" in status["error"]["message"]
    assert await hands.pool.fetchval("SELECT count(*) FROM chunks WHERE video_id = 'wished'") == 0


@pytest.mark.long
async def test_who_waits_in_vain_is_told_and_the_deletion_is_carried_out_later(
    hands: Hands, stack: Stack, tmp_path: Path
):
    await put(hands, tmp_path, "waits", "ada", 0.2)
    await hands.ending(await hands.ask("waits", "ada", "ada/waits.wav"))
    assert await asyncio.to_thread(stack.terminate, "functions") == 0
    planned = await deleting.plan(hands.settings, "waits", "ada")
    with pytest.raises(deleting.NotGone, match="its deletion is on the log"):
        await deleting.execute(hands.settings, planned, "a test", patience=0.5)
    assert (await said(stack, "history"))[0]["outcome"]["gone"] is False
    stack.start_functions()
    await until("all is acked", lambda: caught_up(hands))
    await until("all is folded", lambda: all_is_folded(hands))
    await is_gone(hands, stack, "ada", "waits")


async def test_what_makes_no_sense_is_one_line(hands: Hands, stack: Stack):
    for words in (["nobody"], ["nobody", "--creator", "ada", "--execute"]):
        done = await chronos(stack, "delete", *words)
        assert done.exit_code == 1
        assert "no video 'nobody'" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.long
async def test_the_log_is_cut_off_behind_a_video_and_all_goes_on(hands: Hands, stack: Stack, tmp_path: Path):
    """As the page says: what stood before those offsets is lost to rebuilds, whosever it was; the tables keep it."""
    await put(hands, tmp_path, "cut", "ada", 0.3)
    await hands.ending(await hands.ask("cut", "ada", "ada/cut.wav"))
    await hands.ending(await hands.ask("cut", "ada", "ada/nothing.wav"))
    await put(hands, tmp_path, "later", "marco", 0.4)
    await hands.ending(await hands.ask("later", "marco", "marco/later.wav"))
    await until("all is acked", lambda: caught_up(hands))
    await said(stack, "delete", "cut", "--execute")
    assert "--creator" in (await chronos(stack, "delete", "cut", "--offsets")).stderr

    places = await said(stack, "delete", "cut", "--creator", "ada", "--offsets")
    topics = {place["topic"] for place in places["partitions"]}
    assert topics >= {"transcribe.requested", "segment.transcribed", "chunks.embedded", "function.failed"}
    assert not topics & {"video.delete", "video.deleted", "usage.recorded"}
    file = tmp_path / "cut.json"
    file.write_text(json.dumps(places))
    argv = ("--bootstrap-server", stack.bootstrap, "--offset-json-file", str(file))
    assert (done := kafka_tool("kafka-delete-records", *argv)).returncode == 0, done.stderr
    assert (await said(stack, "delete", "cut", "--creator", "ada", "--offsets"))["partitions"] == []

    await rewind_everything(hands, stack)
    await until("all is folded", lambda: all_is_folded(hands))
    await is_gone(hands, stack, "ada", "cut")
    await put(hands, tmp_path, "new", "ada", 0.6)
    await hands.ending(await hands.ask("new", "ada", "ada/new.wav"))
    await rebuilding.rebuild(hands.settings)
    await switching.drop(hands.settings, "a test")


async def three_videos(hands: Hands, home: Path) -> list[str]:
    """Gives what is said in them."""
    words = []
    for video, creator, loudness in (("alone", "ada", 0.5), ("shared", "ada", 0.7), ("copy", "marco", 0.7)):
        await put(hands, home, video, creator, loudness)
        status = await hands.ending(await hands.ask(video, creator, f"{creator}/{video}.wav"))
        assert status["status"] == "completed"
        words.append((await queries.transcript(hands.pool, video, creator))["text"])
    await until("all is acked", lambda: caught_up(hands))
    return words


async def put(hands: Hands, home: Path, video: str, creator: str, loudness: float) -> None:
    file = film(home / f"{video}.wav", (0, noise(2, 16_000) * loudness), codec="pcm_s16le", rate=16_000)
    place = hands.settings.home / "store" / creator / f"{video}.wav"
    place.parent.mkdir(parents=True, exist_ok=True)
    file.rename(place)


async def rewind_everything(hands: Hands, stack: Stack) -> None:
    """All functions say again whatever they can, and the tables are folded again."""
    for function in ("transcribe-video", "generate-embeddings", "delete-video"):
        done = await chronos(stack, "rewind", function, "--to-earliest", "--reemit", "--execute")
        assert done.exit_code == 0, done.stderr
    assert (await chronos(stack, "rewind", "projection", "--to-earliest", "--execute")).exit_code == 0
    await until("all is acked", lambda: caught_up(hands))


async def nothing_came_back(hands: Hands, stack: Stack, words: list[str], paid: int) -> None:
    await until("all is folded", lambda: all_is_folded(hands))
    for creator, video in GONE:
        await is_gone(hands, stack, creator, video)
    assert await found(hands, words) == {("marco", "copy")}
    assert (await calls(hands), await kept(hands)) == (paid, 2)
    assert len((await chronos(stack, "status", "copy")).stdout.splitlines()) == 2
    assert (await verify(hands.settings)).ok


async def all_is_folded(hands: Hands) -> bool:
    at = await planning.ground(hands.settings, PROJECTION_GROUP)
    return all(at.committed.get(place, 0) >= high for place, (_, high) in at.ends.items())


async def is_gone(hands: Hands, stack: Stack, creator: str, video: str) -> None:
    for command in ("status", "transcript"):
        done = await chronos(stack, command, video, "--creator", creator)
        assert done.exit_code == 1
        assert f"no video '{video}'" in done.stderr
    for name in [table.name for table in TABLES if is_about_videos(table)] + ["served"]:
        mine = f"SELECT count(*) FROM {name} WHERE (creator_id, video_id) = ($1, $2)"
        assert await hands.pool.fetchval(mine, creator, video) == 0, name


async def found(hands: Hands, words: list[str]) -> set[tuple[str, str]]:
    """The videos that are found by what is said in them."""
    hits = [hit for said in words for hit in await search(hands.settings, said, None, 100)]
    return {(hit.creator_id, hit.video_id) for hit in hits}


async def calls(hands: Hands) -> int:
    return int(await hands.pool.fetchval("SELECT count(*) FROM journal.spends"))


async def kept(hands: Hands) -> int:
    return int(await hands.pool.fetchval("SELECT count(*) FROM journal.paid"))


async def lose_the_journal(hands: Hands, stack: Stack) -> None:
    for name in ("functions", "projection"):
        assert await asyncio.to_thread(stack.terminate, name) == 0
    await hands.pool.execute("DROP SCHEMA journal CASCADE")
    assert (await journal_rebuild.rebuild(hands.settings))["deleted"] == 2
    stack.start_functions()
    stack.start_projection()


async def is_transcribing(hands: Hands) -> bool:
    asked = (
        "SELECT count(*) > 0 FROM journal.calls AS c JOIN journal.runs AS r USING (run_id) WHERE video_id = 'under-way'"
    )
    return bool(await hands.pool.fetchval(asked))


async def is_ok(hands: Hands) -> bool:
    return (await verify(hands.settings)).ok


async def said(stack: Stack, *words: str) -> Any:
    done = await chronos(stack, *words, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)
