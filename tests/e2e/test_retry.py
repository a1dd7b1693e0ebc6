"""chronos retry through the whole stack: what failed is asked for again, and nothing that is paid for is paid twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chronos import queries
from schemas.event import Coordinates
from schemas.running import Error, FailedEvent, FunctionFailed
from streams.kafka import Cluster, Outbox
from tests.e2e.test_deadletters import chronos
from tests.films import film, noise, quiet
from tests.stack import Hands, Stack, until


async def ended(hands: Hands, video: str, run: str) -> dict[str, Any]:
    """The status of a run once it is over."""

    async def over() -> dict[str, Any] | None:
        now = await queries.run_status(hands.pool, "ada", video, run)
        return now if now["status"] in queries.ENDINGS else None

    found: dict[str, Any] = await until(f"the end of {video}", over)
    return found


async def failure_known(hands: Hands, video: str) -> None:
    async def known() -> bool:
        return bool(await hands.pool.fetchval("SELECT count(*) FROM failures WHERE video_id = $1", video))

    await until(f"the failure of {video} in its ledger", known)


async def test_a_transcription_that_failed_half_way_pays_only_for_the_other_half(
    hands: Hands, stack: Stack, tmp_path: Path
):
    sounds = [(start, noise(25 + start / 100)) for start in (0, 40)]
    path = await hands.upload(film(tmp_path / "f.mp4", *sounds), "ada")
    stack.provider.fail(next=1, status=400, kind="audio")
    sent = await hands.ask("half", "ada", path, title="Half")
    assert (await hands.ending(sent))["status"] == "failed"
    await failure_known(hands, "half")
    await stack.provider.settled()
    paid = len(stack.provider.bill())

    planned = await chronos(stack, "retry", "half")
    [failure] = planned["failures"]
    assert (failure["command"], failure["error"]["type"]) == ("transcribe.requested", "SpeechRefused")
    assert 0 < planned["costMicroUsd"] <= 65 * 100 + 20
    assert planned["unknownCosts"] == 0
    assert not planned["executed"]

    done = await chronos(stack, "retry", "half", "--creator", "ada", "--execute")
    [again] = done["sent"]
    assert done["seen"]
    assert again["runId"] > sent.run_id
    assert (await ended(hands, "half", again["runId"]))["status"] == "completed"
    video = await queries.status(hands.pool, "half", "ada")
    assert (video["status"], video["title"]) == ("completed", "Half")
    assert stack.provider.bought_twice() == []
    assert len(stack.provider.bill()) > paid


async def test_what_was_completed_since_is_not_sent_again_unless_it_is_asked_for(hands: Hands, stack: Stack):
    assert (await chronos(stack, "retry"))["failures"] == []
    assert "completed" in await chronos(stack, "retry", "half", "--execute", code=1)
    assert [one["videoId"] for one in (await chronos(stack, "retry", "--all"))["failures"]] == ["half"]


async def test_failed_embeddings_are_made_from_the_transcript_that_is_there(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(film(tmp_path / "g.mp4", (0, noise(12))), "ada")
    stack.provider.fail(next=1, status=400, kind="embeddings")
    sent = await hands.ask("deaf", "ada", path)
    assert (await hands.ending(sent))["status"] == "failed"
    await failure_known(hands, "deaf")
    heard = sum(call.kind == "audio" for call in await stack.provider.settled())

    stack.provider.fail(next=1, status=400, kind="embeddings")
    first = await chronos(stack, "retry", "--function", "generate-embeddings", "--since", "1h", "--execute")
    assert [(one["topic"], one["failureId"]) for one in first["sent"]] == [
        ("chunk.requested", first["failures"][0]["failureId"])
    ]
    assert (await ended(hands, "deaf", first["sent"][0]["runId"]))["status"] == "failed"

    second = await chronos(stack, "retry", "deaf", "--execute")  # now a chunk.requested is what failed
    assert second["failures"][0]["event"]["topic"] == "chunk.requested"
    assert (await ended(hands, "deaf", second["sent"][0]["runId"]))["status"] == "completed"
    assert sum(call.kind == "audio" for call in await stack.provider.settled()) == heard
    assert stack.provider.bought_twice() == []


async def test_a_persons_json_is_sent_again_as_it_was_and_an_unknown_length_is_said_to_be_unknown(
    hands: Hands, stack: Stack, tmp_path: Path
):
    """The file was missing; then it was put there."""
    path = await hands.upload(film(tmp_path / "h.mp4", (0, quiet(3))), "ada")
    content = (stack.home / "store" / path).read_bytes()
    (stack.home / "store" / path).unlink()
    json = f'{{"video_id": "late", "creator_id": "ada", "storage_path": "{path}", "title": "Größe"}}'.encode()
    outbox = Outbox(Cluster(stack.bootstrap))
    await outbox.send("transcribe.requested", b"a key of its own", json, [])
    await outbox.close()
    await failure_known(hands, "late")
    (stack.home / "store" / path).write_bytes(content)

    planned = await chronos(stack, "retry", "--error-type", "ObjectMissing")
    assert (planned["costMicroUsd"], planned["unknownCosts"]) == (0, 1)
    done = await chronos(stack, "retry", "late", "--execute")
    place = done["sent"][0]
    assert (await ended(hands, "late", place["runId"]))["status"] == "completed"
    records = await hands._records("transcribe.requested", 4)
    again = next(r for r in records if (r.partition, r.offset) == (place["partition"], place["offset"]))
    assert (again.key, again.value) == (b"a key of its own", json)
    assert dict(again.headers)["ce_causationid"] == done["failures"][0]["failureId"].encode()


async def test_a_record_that_is_gone_is_named_and_the_others_are_sent(hands: Hands, stack: Stack):
    """A failure whose record was over 1 MiB, and whose place holds something else by now."""
    at = Coordinates(topic="transcribe.requested", partition=0, offset=5_000)
    error = Error(type="SpeechRefused", message="no", retryable=False)
    event = FailedEvent(topic=at.topic, partition=at.partition, offset=at.offset)
    me = {"video_id": "gone", "creator_id": "ada"}
    fact = FunctionFailed(**me, function="transcribe-video", attempts=1, error=error, event=event)
    await hands.send.send(fact)
    await failure_known(hands, "gone")
    left = await chronos(stack, "retry", "gone", "--execute", code=1)
    assert left["sent"] == []
    assert "5000" in left["left"][0]["why"]
