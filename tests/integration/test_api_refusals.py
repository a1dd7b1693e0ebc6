"""What the API refuses before anything is sent: each a problem document, and never a trace."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from chronos import app as composing
from chronos.api.server import LARGEST, create_app
from chronos.config import Settings
from schemas.people import EXAMPLES, MAX_BYTES
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics
from streams.reading import LogScan

SEND = "/v1/events/transcribe.requested"
UPLOAD = "/api/video/upload"
REQUEST = EXAMPLES["transcribe.requested"]
WISH = {**REQUEST, "creatorId": "refused"}
KEYS = {"event_key": ("sender",), "reading_key": ("reader",), "operating_key": ("boss",)}


@pytest.fixture(scope="module")
def settings(kafka: str, database_url: str) -> Settings:
    Topics(Cluster(kafka)).create(TOPICS.values())
    return Settings(kafka_bootstrap_servers=kafka, database_url=database_url)


@pytest.fixture(scope="module")
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(settings) as client:
        yield client


@asynccontextmanager
async def serving(settings: Settings, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings.model_copy(update=more))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8288") as client:
            yield client


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert "Traceback" not in problem["detail"]
    return problem


def sent_on(settings: Settings, creator: str) -> int:
    """How many requests of a creator are on the log."""
    scan = LogScan(composing.cluster(settings))
    ends = scan.ends({"transcribe.requested": TOPICS["transcribe.requested"].partitions})
    begins, until = {p: low for p, (low, _) in ends.items()}, {p: high for p, (_, high) in ends.items()}
    return sum(record.key == creator.encode() for batch in scan.read(until, begins) for record in batch)


@pytest.mark.parametrize("path", [SEND, UPLOAD])
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"storagePath": ""}, "storagePath"),
        ({"storagePath": None}, "storagePath"),
        ({"title": 7}, "title"),
        ({"videoId": "a\0b"}, "videoId"),
        ({"videoId": "v" * 201}, "videoId"),
    ],
)
async def test_a_wrong_field_is_named(api: httpx.AsyncClient, path: str, wrong: dict[str, Any], field: str):
    problem = refused(await api.post(path, json=WISH | wrong), 422)
    assert field in problem["detail"]
    assert list(problem["fields"]) == [field]


async def test_all_that_is_missing_is_named(api: httpx.AsyncClient):
    assert set(refused(await api.post(SEND, json={}), 422)["fields"]) == {"videoId", "creatorId", "storagePath"}


async def test_a_field_that_no_event_has_is_named_and_the_old_form_passes_it_over(api: httpx.AsyncClient):
    assert refused(await api.post(SEND, json=WISH | {"titel": "x"}), 422)["fields"].keys() == {"titel"}
    several = {"events": [{"topic": "transcribe.requested", "data": WISH, "dta": {}}]}
    assert refused(await api.post("/v1/events", json=several), 422)["fields"].keys() == {"body.events.0.dta"}
    assert (await api.post(UPLOAD, json=REQUEST | {"creatorId": "old", "userId": "x"})).status_code == 202


@pytest.mark.parametrize("path", [SEND, UPLOAD, "/v1/events"])
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_what_is_not_called_json_is_refused(api: httpx.AsyncClient, path: str, kind: str):
    """A page of any site may have a browser send these to localhost."""
    answer = await api.post(path, content=json.dumps(WISH), headers={"Content-Type": kind} if kind else {})
    assert "application/json" in refused(answer, 415)["detail"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/cloudevents+json", "Application/JSON"]
)
async def test_json_may_have_other_names(api: httpx.AsyncClient, kind: str):
    answer = await api.post(SEND, content=json.dumps(REQUEST | {"creatorId": "named"}), headers={"Content-Type": kind})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(WISH).encode("utf-16"),
        json.dumps(WISH | {"title": "é"}, ensure_ascii=False).encode("latin-1"),
        json.dumps(WISH | {"title": "\ud800"}).encode(),
        b'{"videoId": NaN}',
        b"",
    ],
)
async def test_a_bad_encoding_is_refused(api: httpx.AsyncClient, body: bytes):
    headers = {"Content-Type": "application/json"}
    assert "not JSON" in refused(await api.post(SEND, content=body, headers=headers), 422)["detail"]
    several = b'{"events": [{"topic": "transcribe.requested", "data": ' + body + b"}]}"
    problem = await api.post("/v1/events", content=several, headers=headers)
    refused(problem, 422 if body.isascii() else 400)


async def test_a_packed_body_is_refused(api: httpx.AsyncClient):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert "gzip" in refused(await api.post(SEND, content=b"\x1f\x8b", headers=headers), 415)["detail"]


async def test_what_is_too_large_is_refused_by_its_length_alone(api: httpx.AsyncClient):
    headers = {"Content-Type": "application/json", "Content-Length": str(LARGEST + 1)}
    assert "bytes" in refused(await api.post(SEND, content=b"{", headers=headers), 413)["detail"]
    large = WISH | {"title": "x" * MAX_BYTES}
    assert f"{MAX_BYTES:,}" in refused(await api.post(SEND, json=large), 422)["detail"]


async def test_a_body_without_its_length_is_refused(api: httpx.AsyncClient):
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}"

    refused(await api.post(SEND, content=pieces(), headers={"Content-Type": "application/json"}), 411)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/videos?creator=%00", 422), ("/v1/search?q=a%00b", 422), ("/v1/videos/a%00b/v/runs", 404)],
)
async def test_a_nul_in_the_address_is_refused(api: httpx.AsyncClient, path: str, status: int):
    """The database cannot hold one: it was a 500."""
    assert "NUL" in refused(await api.get(path), status)["detail"]


@pytest.mark.parametrize(
    "place",
    [
        ["2026-01-01T00:00:00+00:00", "a\0b", "v"],
        ["0001-01-01T00:00:00+14:00", "a", "v"],
        ["9999-12-31T23:59:59-14:00", "a", "v"],
        ["2026-01-01T00:00:00", "a", "v"],
        ["2026-01-01T00:00:00+00:00", "a", 7],
        ["2026-01-01T00:00:00+00:00", ["a"], ["v"]],
        [],
        7,
    ],
)
async def test_a_broken_cursor_is_refused(api: httpx.AsyncClient, place: Any):
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    assert "begin without one" in refused(await api.get("/v1/videos", params={"cursor": cursor}), 422)["detail"]


async def test_nothing_of_what_was_refused_is_on_the_log(settings: Settings):
    """Last, on purpose: all of the above was of this creator."""
    assert sent_on(settings, WISH["creatorId"]) == 0


async def test_the_old_form_is_a_request_as_any(settings: Settings, api: httpx.AsyncClient):
    wanted = REQUEST | {"creatorId": "uploader", "videoId": "by-old-form"}
    answer = await api.post(UPLOAD, json=wanted)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["videoId"], told["creatorId"], told["topic"]) == ("by-old-form", "uploader", "transcribe.requested")
    assert told["runId"]
    enveloped = {"name": "video/transcribe.requested", "data": wanted}
    assert (await api.post(UPLOAD, json=enveloped)).status_code == 202
    assert sent_on(settings, "uploader") == 2


async def test_the_same_idempotency_key_sends_once(api: httpx.AsyncClient):
    wanted = {"videoId": "once", "creatorId": "ada", "storagePath": "ada/nothing.mp4"}
    headers = {"Idempotency-Key": "k-1"}
    asked = [api.post("/v1/events/transcribe.requested", json=wanted, headers=headers) for _ in range(5)]
    answers = {answer.text for answer in await asyncio.gather(*asked)}
    assert len(answers) == 1
    other = await api.post("/v1/events/transcribe.requested", json=wanted | {"title": "x"}, headers=headers)
    assert other.status_code == 409


async def test_a_page_of_another_site_changes_nothing(api: httpx.AsyncClient):
    wanted = {"videoId": "csrf", "creatorId": "ada", "storagePath": "ada/nothing.mp4"}
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        answer = await api.post("/v1/events/transcribe.requested", json=wanted, headers={"Origin": origin})
        assert answer.status_code == 403
    own = await api.post("/v1/events/transcribe.requested", json=wanted, headers={"Origin": "http://localhost:8288"})
    assert own.status_code == 202


async def test_many_at_once_under_few_idempotency_keys_are_all_answered(api: httpx.AsyncClient):
    """Each held a connection and waited for a second one: with as many as the pool has, nobody got it."""

    async def sent(n: int) -> str:
        answer = await api.post(
            SEND, json=REQUEST | {"creatorId": "keyed"}, headers={"Idempotency-Key": f"many-{n % 3}"}
        )
        return str(answer.json()["runId"])

    async with asyncio.timeout(30):
        assert len(set(await asyncio.gather(*map(sent, range(40))))) == 3


async def test_a_key_that_asks_too_often_is_told_when_to_come_again_and_another_is_not(settings: Settings):
    rates = {"sending_rate": "2/minute", "reading_rate": "3/minute"}
    async with serving(settings, **(KEYS | {"reading_key": ("reader", "other")} | rates)) as client:

        async def asked(key: str, method: str = "GET", path: str = "/subjects") -> httpx.Response:
            headers = {"Authorization": f"Bearer {key}"}
            return await client.request(method, path, json=WISH if method == "POST" else None, headers=headers)

        left = [(await asked("reader")).headers["ratelimit"].split(";")[1] for _ in range(3)]
        assert left == ["r=2", "r=1", "r=0"]
        once_more = await asked("reader")
        assert (once_more.status_code, once_more.json()["error_code"]) == (429, 429)
        assert 0 < int(once_more.headers["retry-after"]) <= 60
        assert (await asked("other")).status_code == 200
        for _ in range(2):
            assert (await asked("sender", "POST", "/v1/events/nothing")).status_code == 404
        problem = refused(await asked("sender", "POST", "/v1/events/nothing"), 429)
        assert "sending" in problem["detail"]
        guesses = [(await asked("guess")).status_code for _ in range(4)]
        assert guesses == [403, 403, 403, 429]


async def test_on_this_machine_without_keys_nothing_is_counted(api: httpx.AsyncClient):
    assert "ratelimit" not in (await api.get("/subjects")).headers
