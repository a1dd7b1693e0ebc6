"""The client for producers, blocking and awaited, with a server on a socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chronos import client
from chronos.api import forms
from chronos.client import AsyncChronos, Chronos, calls, watching
from schemas.transcription import TranscribeRequested
from tests.films import film, noise
from tests.stack import Hands, until
from tests.unit.test_client import RUN, change
from tests.web import Answer, Request, Site, says

NOTHING = "ada/nothing.mp4"


class Awaited:
    """A blocking client whose calls are awaited, so that one test asks both."""

    def __init__(self, chronos: Chronos) -> None:
        self._chronos = chronos

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._chronos, name)
        return lambda *words, **more: asyncio.to_thread(method, *words, **more)


Opened = Callable[..., Any]


@pytest.fixture(params=["blocking", "awaited"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    """Opens a client of either kind."""
    found: list[Any] = []

    def make(*words: Any, **more: Any) -> Any:
        blocking = request.param == "blocking"
        found.append(Awaited(Chronos(*words, **more)) if blocking else AsyncChronos(*words, **more))
        return found[-1]

    yield make
    for one in found:
        await one.close()


@pytest.fixture
async def chronos(opened: Opened, url: str) -> Any:
    return opened(url)


async def test_a_video_is_sent_waited_for_and_found(hands: Hands, chronos: Any, request: Any, tmp_path: Any):
    name = f"tides-{request.node.callspec.id}"
    path = await hands.upload(film(tmp_path / "a.wav", (0, noise(3)), codec="pcm_s16le"), "ada")
    sent = await chronos.send(
        TranscribeRequested(video_id=name, creator_id="ada", storage_path=path, title="Tides"), wait="projection"
    )
    assert sent.folded
    assert (await chronos.wait(sent, timeout=60)).status == "completed"
    assert (await chronos.wait(str(sent.run_id), until="embedding")).video_id == name
    video = await chronos.video("ada", name)
    assert (video.title, video.run_id, video.searchable) == ("Tides", sent.run_id, True)
    spoken = await chronos.transcript("ada", name)
    hits = await chronos.search(spoken.text[:60], creator="ada", limit=50)
    assert name in {hit.video_id for hit in hits}
    paid = [one.cost_micro_usd for one in await chronos.usage(creator="ada") if not one.memoized]
    assert sum(paid) > 0
    trace = await chronos.run(sent)
    assert [one.ending for one in trace.work] == ["completed", "completed"]


async def test_a_failed_video_says_why(hands: Hands, chronos: Any):
    sent = await chronos.send("transcribe.requested", video_id="lost/?#", creator_id="ada", storage_path=NOTHING)
    with pytest.raises(client.VideoFailed, match=r"nothing\.mp4") as raised:
        await chronos.wait(sent, timeout=60)
    assert raised.value.run.error.type == "ObjectMissing"
    failed = await chronos.failures(creator="ada", function="transcribe-video")
    assert sent.run_id in {one.run_id for one in failed}
    assert (await chronos.video("ada", "lost/?#")).status == "failed"


async def test_many_are_sent_in_their_order_and_once(
    hands: Hands, chronos: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(calls, "MOST", 7)  # events of one request
    key = request.node.callspec.id
    wanted = [
        TranscribeRequested(video_id=f"many-{key}-{n}", creator_id=f"many-{key}", storage_path=NOTHING)
        for n in range(30)
    ]
    sent = await chronos.send_many(wanted, idempotency_key=key)
    assert [one.offset for one in sent] == list(range(sent[0].offset, sent[0].offset + 30))
    assert await chronos.send_many(wanted, idempotency_key=key) == sent


async def test_more_are_sent_at_once_than_the_server_has_connections(hands: Hands, url: str):
    async with AsyncChronos(url) as chronos:
        sends = [
            chronos.send("transcribe.requested", video_id=f"at-once-{n}", creator_id="crowd", storage_path=NOTHING)
            for n in range(40)
        ]
        sent = await asyncio.wait_for(asyncio.gather(*sends), 30)
    assert len({one.run_id for one in sent}) == 40


async def test_what_is_wrong_is_an_error_that_says_what(hands: Hands, chronos: Any):
    with pytest.raises(client.Invalid, match="storagePath") as invalid:
        await chronos.send("transcribe.requested", video_id="a", creator_id="ada")
    assert (invalid.value.status, invalid.value.title) == (422, "Unprocessable Entity")
    with pytest.raises(client.NotFound, match="takes events"):
        await chronos.send("transcription.completed", video_id="a")
    with pytest.raises(client.NotFound, match="never"):
        await chronos.video("ada", "never")
    with pytest.raises(client.Invalid, match="limit") as invalid:
        await chronos.search("tide", limit=1_000)
    assert "query.limit" in invalid.value.fields
    await chronos.send("transcribe.requested", video_id="a", creator_id="b", storage_path="c", idempotency_key="k")
    with pytest.raises(client.Conflict, match="another event"):
        await chronos.send("transcribe.requested", video_id="b", creator_id="b", storage_path="c", idempotency_key="k")
    with pytest.raises(client.NotYet, match="is not completed after"):
        await chronos.wait(RUN, timeout=0.2)


SENT = b'{"topic": "t", "partition": 0, "offset": 7, "runId": "00000000-0000-7000-8000-000000000000"}'
AWAY = json.dumps({"title": "Service Unavailable", "status": 503, "detail": "the broker is away"}).encode()
PATH = "/v1/events/transcribe.requested"


async def hangs_up(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def one_after_the_other(*answers: Answer) -> Answer:
    left = iter(answers)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await next(left)(request, writer)

    return answer


def run_that_is(status: str) -> bytes:
    run = dict.fromkeys(forms.to_camel(name) for name in forms.Run.model_fields)
    return json.dumps({"run": run | {"runId": RUN, "creatorId": "a", "videoId": "a", "status": status}, "work": [],
                       "usage": []}).encode()  # fmt: skip


async def test_a_wait_looks_when_the_stream_tells_and_not_before(opened: Opened):
    async with Site() as site:

        async def tells(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 1000\n\n")
            await until("it looked", lambda: asyncio.sleep(0, len(site.requests) == 2))
            writer.write(f"event: status\ndata: {change('completed').model_dump_json()}\n\n".encode())
            site.answers[f"/v1/runs/{RUN}"] = says("200 OK", run_that_is("completed"))

        site.answers[f"/v1/runs/{RUN}"] = says("200 OK", run_that_is("transcribing"))
        site.answers[f"/v1/runs/{RUN}/changes"] = tells
        assert (await opened(site.url("")).wait(RUN, timeout=10)).status == "completed"
        assert len(site.requests) == 3


async def test_a_wait_goes_on_where_a_stream_is_cut_off(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "BETWEEN", 0.1)
    async with Site() as site:
        site.answers[f"/v1/runs/{RUN}"] = says("200 OK", run_that_is("pending"))

        async def over(request: Request, writer: asyncio.StreamWriter) -> None:
            site.answers[f"/v1/runs/{RUN}"] = says("200 OK", run_that_is("cancelled"))

        cut = [hangs_up, says("503 Service Unavailable", AWAY), says("404 Not Found"), over]
        site.answers[f"/v1/runs/{RUN}/changes"] = one_after_the_other(*cut)
        with pytest.raises(client.VideoCancelled):
            await opened(site.url("")).wait(RUN, timeout=10)


async def test_what_passes_is_tried_again_under_the_same_key(opened: Opened):
    answers = [
        says("503 Service Unavailable", AWAY, retry_after="0"),
        says("502 Bad Gateway", b"<html>no problem document</html>"),
        hangs_up,
        says("429 Too Many Requests", AWAY, retry_after="0"),
        says("202 Accepted", SENT),
    ]
    async with Site() as site:
        site.answers[PATH] = one_after_the_other(*answers)
        sent = await opened(site.url("")).send("transcribe.requested", video_id="a")
    assert sent.offset == 7
    assert len(site.requests) == 5
    assert len({request.headers["idempotency-key"] for request in site.requests}) == 1


async def test_what_does_not_pass_is_an_error_in_the_end(opened: Opened):
    async with Site() as site:
        site.answers[PATH] = says("503 Service Unavailable", AWAY, retry_after="5")
        began = time.monotonic()
        with pytest.raises(client.Unavailable, match="the broker is away") as raised:
            await opened(site.url(""), patience=0.5).send("transcribe.requested", video_id="a")
        assert time.monotonic() - began < 5
        nobody = site.url("")
    assert raised.value.retry_after == 5
    with pytest.raises(client.NotReached, match="CHRONOS_URL"):
        await opened(nobody, patience=0.5).send("transcribe.requested", video_id="a")


async def test_each_kind_of_request_shows_its_own_key(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHRONOS_EVENT_KEY", "sender\n")
    async with Site() as site:
        monkeypatch.setenv("CHRONOS_URL", site.url("/"))
        site.answers[PATH] = says("202 Accepted", SENT)
        site.answers["/v1/search"] = says("403 Forbidden", b"")
        chronos = opened(reading_key="reader")
        await chronos.send("transcribe.requested", video_id="a")
        with pytest.raises(client.KeyRefused):
            await chronos.search("tide")
    assert [one.headers["authorization"] for one in site.requests] == ["Bearer sender", "Bearer reader"]
