"""What operators look at and do over HTTP, on a running system: what was shown is done, and it is on the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from chronos.api.server import create_app
from chronos.config import Settings
from tests.e2e.test_rewind import videos
from tests.stack import Hands, until


@asynccontextmanager
async def served(settings: Settings, host: str = "127.0.0.1", base: str = "http://localhost:8288") -> Any:
    app = create_app(settings, host)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=30) as client:
            yield client


@pytest.fixture
async def api(hands: Hands) -> AsyncIterator[httpx.AsyncClient]:
    async with served(hands.settings) as client:
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
