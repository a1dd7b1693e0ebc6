"""The HTTP API on a running system: what is sent is on the log, what is asked for is in the tables."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from chronos.api import resources
from chronos.api.server import create_app
from chronos.config import Settings
from chronos.pipeline import FUNCTIONS
from schemas.avro import decode
from schemas.transcription import TranscribeRequested
from tests.e2e.test_deadletters import produce, request
from tests.e2e.test_rewind import videos
from tests.films import film, noise
from tests.stack import Hands, Stack, until


@pytest.fixture
async def api(hands: Hands) -> AsyncIterator[httpx.AsyncClient]:
    async with served_here(hands.settings) as client:
        yield client


@asynccontextmanager
async def served_here(settings: Settings, host: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """The app in this process."""
    app = create_app(settings, host)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8288", timeout=30) as client:
            yield client


async def test_a_video_is_sent_followed_searched_and_its_run_looked_at(
    hands: Hands, api: httpx.AsyncClient, tmp_path: Path
):
    await videos(hands, tmp_path, "first", 1)  # all is at work then
    path = await hands.upload(film(tmp_path / "a.wav", (0, noise(5)), codec="pcm_s16le"), "ada")
    wanted = {"videoId": "by-api", "creatorId": "ada", "storagePath": path, "title": "<script>«日本»"}
    answer = await api.post("/v1/events/transcribe.requested?wait=projection", json=wanted)
    assert answer.status_code == 202
    sent = answer.json()
    assert sent["folded"]

    async def over() -> dict[str, Any] | None:
        found = (await api.get("/v1/videos", params={"creator": "ada"})).json()["videos"]
        mine = next(video for video in found if video["videoId"] == "by-api")
        used = (await api.get("/v1/videos/ada/by-api/usage")).json()["usage"]
        work = (await api.get(f"/v1/runs/{sent['runId']}")).json()["work"]
        is_over = mine["status"] == "completed" and all(one["ending"] for one in work)
        return mine if is_over and len(used) == 2 else None

    await until("it is over, and its usage is counted", over)  # the journal and another topic say so, a moment later
    video = await over()
    assert video
    assert (video["title"], video["runId"], video["searchable"]) == (wanted["title"], sent["runId"], True)
    trace = (await api.get(f"/v1/runs/{sent['runId']}")).json()
    assert [one["function"] for one in trace["work"]] == ["transcribe-video", "generate-embeddings"]
    assert {one["ending"] for one in trace["work"]} == {"completed"}
    assert sum(one["costMicroUsd"] for one in trace["usage"]) == video["costMicroUsd"] > 0
    spoken = (await api.get("/v1/videos/ada/by-api/transcript")).json()
    hits = (await api.get("/v1/search", params={"q": spoken["text"][:60], "creator": "ada"})).json()["hits"]
    assert hits[0]["videoId"] == "by-api"
    assert (await api.get("/v1/videos/ada/by-api/runs")).json()["runs"][0]["runId"] == sent["runId"]
    days = (await api.get("/v1/usage", params={"creator": "ada"})).json()["usage"]
    assert sum(one["costMicroUsd"] for one in days if not one["memoized"]) == video["costMicroUsd"]
    sums = (await api.get("/v1/usage/sums", params={"video": "by-api"})).json()
    assert {one["function"] for one in sums["functions"]} == {"transcribe-video", "generate-embeddings"}
    assert sum(one["paidMicroUsd"] for one in sums["functions"]) == video["costMicroUsd"]
    assert {one["name"] for one in (await api.get("/v1/functions")).json()["functions"]} >= {"transcribe-video"}
    assert (await api.get("/v1/spaces")).json()["spaces"][0]["state"] == "active"
    assert (await api.get("/v1/health")).json() == {"ok": True, "checks": {"database": "ok"}}


async def test_many_are_sent_or_none(hands: Hands, api: httpx.AsyncClient):
    def event(name: str, **more: str) -> dict[str, Any]:
        data = {"videoId": name, "creatorId": "many", "storagePath": "many/nothing.mp4", **more}
        return {"topic": "video/transcribe.requested", "data": data}

    wrong = await api.post("/v1/events", json={"events": [event("m-1"), event("m-2", storagePath="")]})
    assert wrong.status_code == 422
    assert "events.1" in wrong.json()["detail"]
    sent = (await api.post("/v1/events", json={"events": [event("m-3"), event("m-4")]})).json()
    assert len({one["runId"] for one in sent}) == 2

    async def there() -> bool:
        found = (await api.get("/v1/failures", params={"creator": "many"})).json()["failures"]
        return {one["videoId"] for one in found} == {"m-3", "m-4"}

    await until("both failed, and nothing else was sent", there)


async def test_pages_of_videos_are_all_of_them_once(hands: Hands, api: httpx.AsyncClient, tmp_path: Path):
    await videos(hands, tmp_path, "paged", 7)
    seen, cursor = [], None
    while True:
        page = (await api.get("/v1/videos", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [(video["creatorId"], video["videoId"]) for video in page["videos"]]
        if (cursor := page["next"]) is None:
            break
    assert len(seen) == len(set(seen))
    assert {video for _, video in seen} >= {f"paged-{n}" for n in range(7)}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/v1/events/transcribe.requested", b"{}", 422, "videoId"),
        ("POST", "/v1/events/transcribe.requested", b"{", 422, "not JSON"),
        ("POST", "/v1/events/transcribe.requested", b"[" * 100_000, 422, "not JSON"),
        ("POST", "/v1/events/transcribe.requested", b"\xff\xfe", 422, "not JSON"),
        ("POST", "/v1/events/transcription.completed", b"{}", 404, "takes events"),
        ("POST", "/v1/events", b"{}", 422, "events"),
        ("GET", "/v1/videos?cursor=bm9uZQ==", b"", 422, "cursor"),
        ("GET", "/v1/videos?limit=0", b"", 422, "limit"),
        ("GET", "/v1/videos?status=odd", b"", 422, "status"),
        ("GET", "/v1/videos/ada/never/transcript", b"", 404, "never"),
        ("GET", "/v1/videos/ada/never/runs", b"", 404, "never"),
        ("GET", "/v1/runs/none", b"", 422, "run_id"),
        ("GET", "/v1/runs/00000000-0000-7000-8000-000000000000", b"", 404, "no run"),
        ("GET", "/v1/search?q=", b"", 422, "q"),
        ("GET", "/nowhere", b"", 404, "Not Found"),
        ("DELETE", "/v1/videos", b"", 405, "Not Allowed"),
    ],
)
async def test_what_is_wrong_is_a_problem_document(
    api: httpx.AsyncClient, method: str, path: str, body: bytes, status: int, said: str
):
    answer = await api.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


PATHS = sorted(path for path, item in create_app(Settings()).openapi()["paths"].items() if "get" in item)
LISTS = {  # they show a bound key what is of its creator; with what they are asked for here
    "/v1/videos": "",
    "/v1/search": "q=private",
    "/v1/usage": "",
    "/v1/usage/sums": "",
    "/v1/failures": "",
    "/v1/failures/groups": "",
    "/v1/budgets": "",
}
ANYBODY = {"/v1/asyncapi.json", "/v1/health", "/v1/readiness"}
NOBODYS = ("/schemas", "/subjects", "/config", "/mode")  # the registry has nothing of any creator
EVERYBODY = {  # they are about all creators: not for a bound key
    "/v1/acts",
    "/v1/deadletters",
    "/v1/deadletters/{letter}",
    "/v1/doctor",
    "/v1/functions",
    "/v1/log/topics",
    "/v1/log/{topic}",
    "/v1/operations",
    "/v1/operations/{operation}",
    "/v1/overview",
    "/v1/rewinds/{group}",
    "/v1/spaces",
}
ELSEWHERE = {  # streams, which do not end: tests/e2e/test_changes.py
    "/v1/changes",
    "/v1/runs/{run_id}/changes",
    "/v1/videos/{creator}/{video}/changes",
}


@pytest.fixture(scope="module")
async def keyed(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    bound = parts(f"{hashed('reader')}@somebody-else")
    async with served_here(stack.settings().model_copy(update=bound), "0.0.0.0") as client:
        yield client


@pytest.fixture(scope="module")
async def theirs(stack: Stack, keyed: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A video, a failure, a dead letter and an operation of another creator than the key's."""
    async with stack.hands() as hands:
        [sent] = await videos(hands, tmp_path_factory.mktemp("private"), "private", 1)
        await hands.ending(await hands.ask("private-failed", "creator-0", "creator-0/nothing.mp4"))
        await produce(stack, request(b'{"videoId": "private-half", "creatorId": "creator-0"}'))
        [letter, *_] = await hands.dead_letters(1)
    boss = {"Authorization": "Bearer boss"}
    (await keyed.put("/v1/budgets/creator-0", json={"microUsd": None}, headers=boss)).raise_for_status()
    operation = (await keyed.post("/v1/retries", json={}, headers=boss)).json()["id"]
    letters = f"{letter.partition}@{letter.offset}"
    names = {"creator": "creator-0", "video": "private-0", "run_id": sent.run_id, "letter": letters}
    names |= {"id": "1", "subject": "audio.extracted-value", "version": "1"}
    return names | {"operation": operation, "topic": "function.failed", "group": "transcribe-video"}


@pytest.mark.parametrize("path", sorted({*PATHS} - ELSEWHERE))
async def test_a_key_of_one_creator_finds_nothing_of_another(
    keyed: httpx.AsyncClient, theirs: dict[str, str], path: str
):
    async def get(key: str | None, query: str = LISTS.get(path, "")) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await keyed.get(f"{path.format(**theirs)}?{query}", headers=headers)

    if path in ANYBODY:
        assert theirs["creator"] not in (await get(None)).text
        return
    assert [(await get(key)).status_code for key in (None, "guess", "boss")] == [401, 403, 200]
    if path in LISTS:
        assert theirs["creator"] in (await get("boss")).text
        answer = await get("reader")
        assert (answer.status_code, theirs["creator"] in answer.text) == (200, False)
        assert (await get("reader", f"{LISTS[path]}&creator=creator-0")).status_code == 403
    elif path.startswith(NOBODYS):
        assert (await get("reader")).status_code == 200
    elif "{creator}" in path or "{run_id}" in path:
        assert (await get("reader")).status_code in (403, 404)
    else:
        assert path in EVERYBODY, f"say what a key that is bound to a creator finds at {path}"
        assert (await get("reader")).status_code == 403


def served(stack: Stack, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "chronos", "serve", "--port", str(port)]
    return subprocess.Popen(command, env=stack.environment(), stderr=subprocess.DEVNULL)


def parts(reading: str) -> dict[str, Any]:
    return {"event_key": (hashed("sender"),), "reading_key": (reading,), "operating_key": (hashed("boss"),)}


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


async def test_the_command_serves_until_it_is_told_to_stop(stack: Stack):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with served(stack, port) as process:
        try:
            async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as client:

                async def answers() -> bool:
                    try:
                        return (await client.get("/v1/health")).json()["ok"] is True
                    except httpx.TransportError:
                        return False

                await until("it answers", answers)
        finally:
            process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) in (0, -signal.SIGTERM)


async def test_nothing_but_this_machine_is_answered_without_keys(hands: Hands, api: httpx.AsyncClient):
    assert (await api.get("/v1/videos", headers={"Host": "evil.example"})).status_code == 421


async def test_an_id_may_have_any_letters(hands: Hands, api: httpx.AsyncClient):
    creator, video = "Čapek & søn/2?", "vídeo/日本 #%2F"
    wanted = {"videoId": video, "creatorId": creator, "storagePath": "nothing.mp4"}
    await api.post("/v1/events/transcribe.requested?wait=projection", json=wanted)
    path = f"/videos/{quote(creator, safe='')}/{quote(video, safe='')}"
    known = await api.get(f"/v1{path}")
    assert (known.json()["creatorId"], known.json()["videoId"]) == (creator, video)
    shown = await api.get(path)
    assert shown.status_code == 200
    assert f"{path}/changes" in shown.text
    assert (await api.get("/v1/videos/a%00/b")).status_code == 404


async def test_a_broker_that_is_away_is_503_and_nothing_is_sent_later(
    hands: Hands, stack: Stack, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resources, "PATIENCE", 1.0)

    def wanted(video: str) -> dict[str, Any]:
        return {"videoId": video, "creatorId": "away", "storagePath": "away/nothing.mp4"}

    several = {"events": [{"topic": "transcribe.requested", "data": wanted(f"lost-{n}")} for n in range(3)]}
    async with served_here(hands.settings) as api:
        stack.kafka.stop()
        try:
            for answer in await asyncio.gather(
                api.get("/v1/functions"),
                api.post("/v1/events/transcribe.requested", json=wanted("lost")),
                api.post("/api/video/upload", json=wanted("lost")),
                api.post("/v1/events", json=several),
            ):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
                assert "check KAFKA_BOOTSTRAP_SERVERS" in answer.json()["detail"]
            assert (await api.get("/v1/videos")).status_code == 200
        finally:
            stack.kafka.start()

        async def taken() -> bool:
            return (await api.post("/v1/events/transcribe.requested", json=wanted("found"))).status_code == 202

        await until("it takes events again", taken)
    of_theirs = [record for record in await hands.requests(1) if record.key == b"away"]
    assert {decode(TranscribeRequested, record.value or b"").video_id for record in of_theirs} == {"found"}


async def test_prometheus_finds_how_far_behind_every_group_is(api: httpx.AsyncClient):
    found = (await api.get("/metrics")).text
    groups = [*(function.group() for function in FUNCTIONS), "chronos.projection"]
    assert [group for group in groups if f'chronos_lag_events{{group="{group}"}}' not in found] == []
