"""What operators look at and do over HTTP, on a running system: what was shown is done, and it is on the log."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_api import served_here
from tests.e2e.test_deadletters import GARBAGE, produce, request
from tests.e2e.test_rewind import caught_up, videos
from tests.films import film, noise
from tests.stack import Hands, Stack, until


@pytest.fixture
async def api(hands: Hands) -> AsyncIterator[httpx.AsyncClient]:
    async with served_here(hands.settings) as client:
        yield client


async def get(api: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await api.get(f"/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_figures_are_of_what_was_done(hands: Hands, api: httpx.AsyncClient, tmp_path: Path):
    await videos(hands, tmp_path, "figures", 3)
    await hands.ending(await hands.ask("figures-lost", "ada", "ada/nothing.mp4"))

    async def acked() -> dict[str, Any] | None:
        found = {one["name"]: one for one in (await get(api, "functions"))["functions"]}
        return found if all(one["lag"] == 0 and one["lagSeconds"] is None for one in found.values()) else None

    functions = await until("all is acked", acked)
    for name in ("transcribe-video", "generate-embeddings"):
        assert functions[name]["runs"] == 3
        assert 0 < functions[name]["p50Seconds"] <= functions[name]["p95Seconds"] < 60
        assert functions[name]["load"] == []
    overview = await get(api, "overview")
    ended = [(one["function"], one["completed"], one["failed"]) for one in overview["throughput"]]
    assert sum(done for name, done, _ in ended if name == "generate-embeddings") == 3
    assert sum(failed for _, _, failed in ended) == 1
    assert [(one["errorType"], one["failures"]) for one in overview["failures"]] == [("ObjectMissing", 1)]
    spent = (await get(api, "usage"))["usage"]
    assert overview["paidMicroUsd"] == sum(one["costMicroUsd"] for one in spent if not one["memoized"]) > 0
    assert (await get(api, "readiness"))["checks"] == {"database": "ok", "broker": "ok"}
    checks = {check["name"]: check for check in (await get(api, "doctor"))["checks"]}
    assert checks["functions"]["ok"]
    assert checks["topics"]["ok"]


async def test_a_run_is_seen_from_its_request_to_its_last_event(hands: Hands, api: httpx.AsyncClient, tmp_path: Path):
    [sent] = await videos(hands, tmp_path, "traced", 1)

    async def over() -> Any:
        trace = await get(api, f"runs/{sent.run_id}/trace")
        return trace if all(stage["state"] == "completed" for stage in trace["stages"]) else None

    trace = await until("its functions are done", over)
    first, second = trace["stages"]
    assert (first["function"], second["function"]) == ("transcribe-video", "generate-embeddings")
    assert not trace["cut"]
    assert [one["topic"] for one in trace["others"]] == ["transcribe.requested"]
    assert first["input"]["eventId"] == trace["others"][0]["eventId"]
    assert second["input"]["topic"] == "transcription.completed"
    for stage in (first, second):
        assert (stage["state"], stage["attempts"], stage["errors"]) == ("completed", 1, [])
        assert stage["seconds"] > 0
        assert stage["waitedSeconds"] >= 0
        assert stage["entries"] == sorted(stage["entries"], key=lambda entry: entry["at"])
    paid = [entry for stage in (first, second) for entry in stage["entries"] if entry["what"] == "paid"]
    assert [entry["name"] for entry in paid] == ["whisper-1", "text-embedding-3-small"]
    assert sum(entry["costMicroUsd"] for entry in paid) == sum(
        one["costMicroUsd"] for one in (await get(api, f"runs/{sent.run_id}"))["usage"] if not one["memoized"]
    )
    said = [entry["name"] for entry in first["entries"] if entry["what"] == "said"]
    assert (said[0], said[-1]) == ("transcription.started", "transcription.completed")


async def test_a_run_that_failed_says_why(hands: Hands, api: httpx.AsyncClient):
    sent = await hands.ask("traced-lost", "ada", "ada/nothing.mp4")
    await hands.ending(sent)

    async def over() -> dict[str, Any] | None:
        stages = (await get(api, f"runs/{sent.run_id}/trace"))["stages"]
        return stages[0] if [one["state"] for one in stages] == ["failed", "completed"] else None

    stage = await until("it failed, and somebody was told", over)
    assert [error["type"] for error in stage["errors"]] == ["ObjectMissing"]
    assert stage["entries"][-1]["what"] in ("failed", "ended")


async def test_all_events_of_a_video_are_found_by_its_key(hands: Hands, api: httpx.AsyncClient, tmp_path: Path):
    [sent] = await videos(hands, tmp_path, "browsed", 1)
    video = sent.event.subject()
    page = await get(api, f"videos/creator-0/{video}/events")
    topics = [one["topic"] for one in page["events"]]
    assert topics[0] == "transcribe.requested"
    assert {"transcription.completed", "chunks.embedded", "embeddings.completed", "usage.recorded"} <= set(topics)
    assert {(one["videoId"], one["creatorId"], one["runId"]) for one in page["events"]} == {
        (video, "creator-0", sent.run_id)
    }
    vectors = next(one for one in page["events"] if one["topic"] == "chunks.embedded")["payload"]["vectors"]
    assert vectors[0]["values"] == "6,144 bytes"
    for topic in ("transcription.completed", "transcribe.requested"):
        found = (await get(api, f"log/{topic}", video=video))["events"]
        assert [one["offset"] for one in found] == [one["offset"] for one in page["events"] if one["topic"] == topic]


async def test_a_topic_is_read_page_by_page_and_from_its_end(hands: Hands, api: httpx.AsyncClient):
    spans = {one["topic"]: one for one in (await get(api, "log/topics"))["topics"]}
    span = max(spans["segment.transcribed"]["partitions"], key=lambda one: one["next"])
    seen, offset = [], 0
    while offset < span["next"]:
        page = await get(api, "log/segment.transcribed", partition=span["partition"], offset=offset, limit=2)
        seen += [one["offset"] for one in page["events"]]
        assert page["cut"] == (page["next"] < span["next"])
        offset = page["next"]
    assert seen == list(range(span["next"]))
    newest = (await get(api, "log/segment.transcribed", limit=3))["events"]
    assert newest == sorted(newest, key=lambda one: one["at"], reverse=True)
    assert (await api.get("/v1/log/nothing")).status_code == 404
    assert (await api.get("/v1/log/segment.transcribed?offset=3")).status_code == 422


async def over(api: httpx.AsyncClient, answer: httpx.Response) -> Any:
    """What an operation came to."""
    assert answer.status_code in (200, 202), answer.text

    async def done() -> Any:
        found = await get(api, f"operations/{answer.json()['id']}")
        return found if found["state"] != "running" else None

    found = await until("it is over", done)
    assert found["state"] == "done", found["problem"]
    return found["result"]


async def last_act(api: httpx.AsyncClient) -> Any:
    return (await get(api, "acts", limit=1))["acts"][0]


async def test_what_failed_is_tried_again_as_it_was_shown(hands: Hands, api: httpx.AsyncClient, tmp_path: Path):
    path = "retrier/later.wav"
    await hands.ending(await hands.ask("late-file", "retrier", path))
    wish = {"video": "late-file", "creator": "retrier", "reason": "it is there now"}
    plan = await over(api, await api.post("/v1/retries", json=wish))
    assert (plan["executed"], [one["videoId"] for one in plan["failures"]]) == (False, ["late-file"])
    stale = await api.post("/v1/retries", json=wish | {"confirm": "00000000"})
    assert (stale.status_code, plan["plan"] in stale.json()["detail"]) == (409, True)
    file = hands.settings.home / "store" / path
    file.parent.mkdir(parents=True)
    film(file, (0, noise(2)), codec="pcm_s16le")
    twice = [
        api.post("/v1/retries", json=wish | {"confirm": plan["plan"]}, headers={"Chronos-Operator": "grace"})
        for _ in range(2)
    ]
    done, again = sorted(await asyncio.gather(*twice), key=lambda answer: answer.status_code)
    assert len((await over(api, done))["sent"]) == 1
    assert again.status_code in (404, 409)  # nothing of it stands any more, or it is another plan
    act = await last_act(api)
    assert (act["act"], act["target"], act["by"]) == ("retry", "late-file", "grace by HTTP")
    assert (act["reason"], act["outcome"]) == ("it is there now", {"sent": 1, "asked": 0, "left": 0})
    unknown = await api.post("/v1/retries", json={"vidoe": "late-file"})
    assert (unknown.status_code, "vidoe" in unknown.json()["detail"]) == (422, True)


async def test_dead_letters_are_grouped_shown_sent_back_and_dropped(hands: Hands, api: httpx.AsyncClient, stack: Stack):
    await produce(stack, *(request(value) for value in (GARBAGE, GARBAGE, b'{"videoId": "half", "creatorId": "bob"}')))

    async def three() -> Any:
        found = await get(api, "deadletters")
        return found if found["total"] == 3 else None

    found = await until("three letters", three)
    assert [group["letters"] for group in found["groups"]] == [2, 1]
    half = next(one for one in found["letters"] if one["videoId"] == "half")
    assert "storagePath" in half["reason"]
    one = await get(api, f"deadletters/{half['letter']}")
    assert one["value"] == {"text": '{"videoId": "half", "creatorId": "bob"}', "hex": None}
    wish = {"letters": [half["letter"]], "reason": "a test"}
    plan = await over(api, await api.post("/v1/deadletters/redrive", json=wish))
    assert (plan["executed"], plan["topics"]) == (False, {"transcribe.requested": 1})
    done = await over(api, await api.post("/v1/deadletters/redrive", json=wish | {"confirm": plan["plan"]}))
    assert (done["executed"], done["redriven"]) == (True, 1)
    await until("it came back", three)
    plan = await over(api, await api.post("/v1/deadletters/drop", json={}))
    done = await over(api, await api.post("/v1/deadletters/drop", json={"confirm": plan["plan"]}))
    assert done["dropped"] == 3
    assert (await get(api, "deadletters"))["total"] == 0
    assert (await last_act(api))["act"] == "drop"
    assert (await api.get("/v1/deadletters/0@999999")).status_code == 404
    assert (await api.get("/v1/deadletters?where=nonsense")).status_code == 422


async def test_a_rewind_is_what_its_plan_said(hands: Hands, api: httpx.AsyncClient, stack: Stack):
    async def acked() -> bool:
        return await caught_up(hands)

    await until("all is acked", acked)
    paid = len(stack.provider.bill())
    wish = {"group": "generate-embeddings", "toEarliest": True}
    plan = await over(api, await api.post("/v1/rewinds/plan", json=wish))
    assert plan["events"] > 0
    assert plan["events"] == plan["silent"]
    done = await over(api, await api.post("/v1/rewinds", json=wish | {"confirm": plan["plan"], "reason": "a test"}))
    assert done["outcome"]["live"]
    stands = await get(api, "rewinds/generate-embeddings")
    assert (stands["group"], stands["rewinds"][0]["reason"]) == ("chronos.generate-embeddings", "a test")
    assert all(place["wanted"] is None for place in stands["places"])
    await until("all is acked again", acked)
    assert len(stack.provider.bill()) == paid
    for wrong, status in (
        ({"group": "nobody", "toEarliest": True}, 404),
        ({"group": "projection"}, 422),
        ({"group": "projection", "toEarliest": True, "toLatest": True}, 422),
        ({"group": "projection", "byDuration": "soon"}, 422),
    ):
        assert (await api.post("/v1/rewinds/plan", json=wrong)).status_code == status, wrong


async def test_a_video_is_run_again_and_deleted(hands: Hands, api: httpx.AsyncClient, stack: Stack, tmp_path: Path):
    [first] = await videos(hands, tmp_path, "again", 1)
    paid = len(stack.provider.bill())
    for stage in ("embed", "transcribe"):
        plan = await over(api, await api.post("/v1/videos/creator-0/again-0/rerun", json={"stage": stage}))
        assert (plan["remembered"], plan["paidCalls"], plan["costMicroUsd"]) == (1, 0, 0)
        wish = {"stage": stage, "confirm": plan["plan"]}
        sent = (await over(api, await api.post("/v1/videos/creator-0/again-0/rerun", json=wish)))["sent"]

        async def ended(run: str = sent["runId"]) -> bool:
            trace = await api.get(f"/v1/runs/{run}")
            return trace.status_code == 200 and trace.json()["run"]["status"] == "completed"

        await until("the new run is over", ended)
    assert len(stack.provider.bill()) == paid
    assert (await last_act(api))["act"] == "rerun"
    assert (await api.post(f"/v1/runs/{first.run_id}/cancel", json={})).status_code == 409
    deletion = await get(api, "videos/creator-0/again-0/deletion")
    assert deletion["rows"]["videos"] == 1
    assert (await api.delete("/v1/videos/creator-0/again-0?confirm=other")).status_code == 409
    gone = await over(api, await api.delete(f"/v1/videos/creator-0/again-0?confirm={deletion['plan']}&reason=test"))
    assert gone["executed"]
    assert (await api.get("/v1/videos/creator-0/again-0/events")).status_code == 404


async def test_a_run_is_called_off(hands: Hands, api: httpx.AsyncClient, stack: Stack, tmp_path: Path):
    stack.provider.hang(kind="audio")
    sound = film(tmp_path / "hangs.wav", (0, noise(3)), codec="pcm_s16le")
    run = (await hands.ask("hangs", "ada", await hands.upload(sound, "ada"))).run_id

    async def status() -> str | None:
        answer = await api.get(f"/v1/runs/{run}")
        return answer.json()["run"]["status"] if answer.status_code == 200 else None

    async def at_work() -> bool:
        return await status() == "transcribing"

    async def called_off() -> bool:
        return await status() == "cancelled"

    await until("it hangs", at_work)
    function = next(one for one in (await get(api, "functions"))["functions"] if one["name"] == "transcribe-video")
    assert (function["lag"], function["lagSeconds"] > 0) == (1, True)
    assert function["load"] == [{"function": "transcribe-video", "creatorId": "ada", "running": 1, "waiting": 0}]
    found = await over(api, await api.post(f"/v1/runs/{run}/cancel", json={"reason": "a test"}))
    assert found == {"videoId": "hangs", "creatorId": "ada", "runId": run}
    await until("the tables know", called_off)
    assert (await api.post(f"/v1/runs/{uuid.uuid4()}/cancel", json={})).status_code == 404


async def test_a_space_is_switched_to_only_as_it_was_shown(hands: Hands, api: httpx.AsyncClient):
    missing = await api.post("/v1/embeddings/switch", json={"space": "noise/3"})
    assert (missing.status_code, "build" in missing.json()["detail"]) == (404, True)
