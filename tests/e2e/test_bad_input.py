"""The design's table of bad input, row by row, through the whole stack, and that the next event is processed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from streams.kafka import Cluster, Outbox
from tests.films import film, noise, quiet
from tests.stack import Hands, Stack, until


async def failure(hands: Hands, video: str, path: str) -> dict[str, object]:
    status = await hands.ending(await hands.ask(video, "ada", path))
    assert status["status"] == "failed"
    sql = "SELECT attempts, error_type, error_message, retryable FROM failures WHERE video_id = $1"
    return dict(await until("the failure in its ledger", lambda: hands.pool.fetchrow(sql, video)))


async def still_works(hands: Hands, folder: Path, video: str) -> None:
    """The next event is processed."""
    path = await hands.upload(film(folder / "next.mp4", (0, noise(3))), "ada")
    assert (await hands.ending(await hands.ask(video, "ada", path)))["status"] == "completed"


OUTSIDE = ["../../etc/passwd", "/etc/passwd", "s3://bucket/key", "a/../../b", "https://127.0.0.1/x"]


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
async def test_a_path_outside_the_store_fails_at_once(hands: Hands, number: int):
    found = await failure(hands, f"outside-{number}", OUTSIDE[number])
    assert (found["attempts"], found["error_type"], found["retryable"]) == (1, "OutsideStore", False)


async def test_a_missing_object_fails_at_once(hands: Hands, tmp_path: Path):
    found = await failure(hands, "missing", "ada/nothing-here.mp4")
    assert (found["attempts"], found["error_type"]) == (1, "ObjectMissing")
    await still_works(hands, tmp_path, "after-missing")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"this is no video at all, but a text that was given the name of one"),
        ("list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
    ],
)
async def test_a_file_that_is_no_media_fails_at_once(hands: Hands, tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    found = await failure(hands, f"bad-{name}", await hands.upload(tmp_path / name, "ada"))
    assert (found["attempts"], found["error_type"]) == (1, "UnreadableMedia")
    assert found["error_message"]


async def test_a_truncated_video_fails_at_once(hands: Hands, tmp_path: Path):
    whole = film(tmp_path / "whole.mp4", (0, noise(20)))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = await failure(hands, "cut", await hands.upload(cut, "ada"))
    assert (found["attempts"], found["error_type"]) == (1, "UnreadableMedia")


async def test_a_video_without_sound_fails_at_once(hands: Hands, tmp_path: Path):
    file = film(tmp_path / "mute.mp4", pictures=2.0)
    found = await failure(hands, "mute", await hands.upload(file, "ada"))
    assert (found["attempts"], found["error_type"]) == (1, "UnreadableMedia")


async def test_silence_is_completed_with_no_words_and_no_bill(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(film(tmp_path / "silent.mp4", (0, quiet(20))), "ada")
    status = await hands.ending(await hands.ask("silent", "ada", path))
    assert (status["status"], status["costMicroUsd"]) == ("completed", 0)
    assert await hands.pool.fetchval("SELECT body FROM transcripts WHERE video_id = 'silent'") == ""
    assert await hands.pool.fetchval("SELECT count(*) FROM chunks WHERE video_id = 'silent'") == 0
    assert stack.provider.bill() == []


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_what_the_provider_refuses_fails_at_once(hands: Hands, stack: Stack, tmp_path: Path, status: int):
    path = await hands.upload(film(tmp_path / "f.mp4", (0, noise(status / 100))), "ada")
    stack.provider.fail(next=1, status=status, kind="audio")
    found = await failure(hands, f"refused-{status}", path)
    assert (found["attempts"], found["error_type"]) == (1, "SpeechRefused")
    await still_works(hands, tmp_path, f"after-{status}")


async def test_a_provider_that_says_wait_is_left_alone_for_that_long_and_no_attempt_is_used_up(
    hands: Hands, stack: Stack, tmp_path: Path
):
    path = await hands.upload(film(tmp_path / "f.mp4", (0, noise(9))), "ada")
    stack.provider.fail(next=4, status=429, retry_after=1, kind="audio")
    assert (await hands.ending(await hands.ask("paced", "ada", path)))["status"] == "completed"
    calls = sorted(call.started for call in stack.provider.calls() if call.kind == "audio")
    assert len(calls) == 5
    assert min(later - earlier for earlier, later in pairwise(calls)) >= 1
    assert await hands.pool.fetchval("SELECT attempts FROM journal.runs WHERE video_id = 'paced'") == 1


async def test_a_broken_answer_is_retried(hands: Hands, stack: Stack, tmp_path: Path):
    """Two videos, each with one call and one answer that is broken in its own way: a retry takes 5 s."""
    paths = [await hands.upload(film(tmp_path / f"{n}.mp4", (0, noise(n))), "ada") for n in (13, 18)]
    stack.provider.cut(next=1, kind="audio")
    stack.provider.nonsense(next=1, kind="audio")
    sent = [await hands.ask(f"broken-{number}", "ada", path) for number, path in enumerate(paths)]
    assert [(await hands.ending(one))["status"] for one in sent] == ["completed"] * 2
    assert {"cut", "nonsense"} <= {call.fault for call in stack.provider.calls()}
    attempts = (
        "SELECT array_agg(attempts) FROM journal.runs WHERE video_id LIKE 'broken-%' AND function = 'transcribe-video'"
    )
    assert await hands.pool.fetchval(attempts) == [2, 2]


async def test_a_record_that_cannot_be_read_becomes_a_dead_letter(hands: Hands, stack: Stack, tmp_path: Path):
    outbox = Outbox(Cluster(stack.bootstrap))
    for value in (b"\x00\xff\xff\xff\xffgarbage", b'{"videoId": "no creator"}', b"neither", b""):
        await outbox.send("transcribe.requested", b"ada", value, [("mine", b"kept")])
    await outbox.close()
    await still_works(hands, tmp_path, "after-garbage")
    letters = await hands.dead_letters(4)
    assert {letter.value for letter in letters} >= {b"neither"}
    headers = dict(letters[0].headers)
    assert headers["mine"] == b"kept"
    assert headers["__connect.errors.topic"] == headers["kafka_dlt-original-topic"] == b"transcribe.requested"
    assert headers["kafka_dlt-exception-message"]


async def test_somebody_is_told_of_each_failure(hands: Hands):
    async def told() -> bool:
        failed = await hands.pool.fetchval("SELECT count(DISTINCT event_id) FROM failures")
        return bool(failed) and len(await hands.notifications(failed)) >= failed

    await until("a notification for each failure", told)
