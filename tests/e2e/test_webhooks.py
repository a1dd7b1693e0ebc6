"""Webhooks through the whole stack: each ending is told once to each receiver, whatever receivers and workers do."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from chronos.api.reading import SQL as PAGES
from chronos.verifying import verify
from tests.e2e.test_deadletters import chronos
from tests.e2e.test_how_to import follow
from tests.e2e.test_rewind import caught_up, videos
from tests.stack import Hands, Stack, new_stack, until
from tests.web import Answer, Request, Site, says

SECRET = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
EVERYBODY, OF_ONE = "/everybody", "/of-one"
CREATOR = "creator-0"


@dataclass
class Receivers:
    """One hears all, the other of one creator's videos. They take everything, but for what a test wants."""

    site: Site
    next: dict[str, list[Answer]] = field(default_factory=lambda: {EVERYBODY: [], OF_ONE: []})

    def __post_init__(self) -> None:
        for path in self.next:
            self.add(path)

    def add(self, path: str) -> None:
        self.next.setdefault(path, [])
        self.site.answers[path] = self._answer

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        waiting = self.next[request.target]
        await (waiting.pop(0) if waiting else says("204 No Content", content_length=""))(request, writer)

    def environment(self) -> dict[str, str]:
        endpoints = [
            {"url": self.site.url(path), "secret": SECRET} | ({"creator": CREATOR} if path == OF_ONE else {})
            for path in self.next
        ]
        return {"CHRONOS_WEBHOOKS": json.dumps(endpoints), "CHRONOS_ALLOW_PRIVATE_ADDRESSES": "true"}

    def got(self, path: str, video: str) -> list[Request]:
        found = [one for one in self.site.requests if one.target == path]
        return [one for one in found if told(one)["data"]["videoId"] == video]

    async def until(self, path: str, video: str, count: int) -> list[Request]:
        async def there() -> list[Request] | None:
            found = self.got(path, video)
            return found if len(found) >= count else None

        found: list[Request] = await until(f"{count} messages of {video} at {path}", there)
        assert len(found) == count
        return found


def told(request: Request) -> dict[str, Any]:
    """What a message says, once its signature was found to be ours."""
    said: dict[str, Any] = Webhook(SECRET).verify(request.body, request.headers)
    return said


def ids(requests: list[Request]) -> set[str]:
    return {request.headers["webhook-id"] for request in requests}


@pytest.fixture(scope="module")
async def receivers() -> AsyncIterator[Receivers]:
    async with Site() as site:
        yield Receivers(site)


@pytest.fixture(scope="module")
def stack(receivers: Receivers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with new_stack(tmp_path_factory.mktemp("webhooks")) as stack:
        stack.start_functions(more=receivers.environment())
        stack.start_projection()
        yield stack


async def test_a_completed_and_a_failed_video_are_told_once_to_whom_they_concern(
    hands: Hands, stack: Stack, receivers: Receivers, tmp_path: Path
):
    await videos(hands, tmp_path, "good", 1)
    lost = await hands.ask("lost", "marco", "marco/nothing.mp4")
    [good], [bad] = [await receivers.until(EVERYBODY, video, 1) for video in ("good-0", "lost")]
    assert good.headers["content-type"] == "application/json"
    said = told(bad)
    assert (said["type"], said["data"]["runId"], said["data"]["error"]["type"]) == (
        "video.failed",
        lost.run_id,
        "ObjectMissing",
    )
    assert (told(good)["type"], told(good)["data"]["creatorId"]) == ("video.completed", CREATOR)
    [again] = await receivers.until(OF_ONE, "good-0", 1)
    assert again.body == good.body
    assert ids([again]) != ids([good])
    await until("all is acked", lambda: caught_up(hands))
    for words in ([], ["--reemit"]):
        await chronos(stack, "rewind", "send-webhooks", "--to-earliest", *words, "--execute")
        await until("all is acked", lambda: caught_up(hands))
    assert [len(receivers.got(*one)) for one in ((EVERYBODY, "good-0"), (OF_ONE, "good-0"), (EVERYBODY, "lost"))] == [
        1, 1, 1,
    ]  # fmt: skip
    assert receivers.got(OF_ONE, "lost") == []
    assert {dict(r.headers)["ce_type"] for r in await hands.notifications(3)} == {b"notification.sent"}
    assert (await verify(hands.settings)).ok


async def test_a_receiver_that_fails_gets_the_same_message_again_and_the_other_one_does_not(
    hands: Hands, receivers: Receivers, tmp_path: Path
):
    receivers.next[EVERYBODY] += [says("500 Internal Server Error", b"a bug"), says("502 Bad Gateway")]
    await videos(hands, tmp_path, "twice", 1)
    got = await receivers.until(EVERYBODY, "twice-0", 3)
    assert len(ids(got)) == 1
    assert len({request.body for request in got}) == 1
    await until("all is acked", lambda: caught_up(hands))
    assert len(receivers.got(OF_ONE, "twice-0")) == 1
    assert len(receivers.got(EVERYBODY, "twice-0")) == 3


async def test_a_message_that_is_refused_stands_among_the_failures_and_is_sent_again_when_it_is_asked_for(
    hands: Hands, stack: Stack, receivers: Receivers, tmp_path: Path
):
    receivers.next[EVERYBODY] += [says("404 Not Found", b"no such hook")]
    receivers.next[OF_ONE] += [says("410 Gone")]
    await videos(hands, tmp_path, "refused", 1)

    async def failures() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await chronos(stack, "retry", "--function", "send-webhooks"))["failures"]
        return found

    [failure] = await until("the failure is known", failures)
    assert failure["error"]["type"] == "WebhookRefused"
    assert "no such hook" in failure["error"]["message"]
    assert (failure["videoId"], failure["command"], failure["costMicroUsd"]) == ("refused-0", None, 0)
    shown = await hands.pool.fetch(PAGES["failures"], CREATOR, None, None, 10)
    assert [(row["video_id"], row["function"]) for row in shown] == [("refused-0", "send-webhooks")]
    done = await chronos(stack, "retry", "refused-0", "--execute")
    assert (done["asked"], done["sent"]) == ([failure["failureId"]], [])
    assert len(ids(await receivers.until(EVERYBODY, "refused-0", 2))) == 1

    async def nothing_stands() -> bool:
        return await failures() == []

    await until("it stands no more", nothing_stands)
    assert len(receivers.got(OF_ONE, "refused-0")) == 1  # it said that it is gone
    assert (await chronos(stack, "status", "refused-0"))["status"] == "completed"
    assert (await verify(hands.settings)).ok


@pytest.mark.long
async def test_a_new_receiver_is_told_of_the_past_by_the_pages_commands_and_the_others_hear_nothing_twice(
    hands: Hands, stack: Stack, receivers: Receivers, tmp_path: Path
):
    await videos(hands, tmp_path, "past", 1)
    await until("all is acked", lambda: caught_up(hands))
    heard = len(receivers.site.requests)
    receivers.add("/new")
    assert await asyncio.to_thread(stack.terminate, "functions") == 0
    stack.start_functions(more=receivers.environment())
    await follow(stack, "webhooks", receivers.environment())
    [told_late] = await receivers.until("/new", "past-0", 1)
    await until("all is acked", lambda: caught_up(hands))
    assert told(told_late)["timestamp"] == told(receivers.got(EVERYBODY, "past-0")[0])["timestamp"]
    assert {request.target for request in receivers.site.requests[heard:]} == {"/new"}


@pytest.mark.long
async def test_a_worker_that_dies_while_it_waits_for_an_answer_leaves_the_message_to_another(
    hands: Hands, stack: Stack, receivers: Receivers, tmp_path: Path
):
    reached = asyncio.Event()

    async def silent(_request: Request, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await writer.wait_closed()

    receivers.next[EVERYBODY] += [silent]
    await videos(hands, tmp_path, "orphan", 1)
    await asyncio.wait_for(reached.wait(), 30)
    await receivers.until(OF_ONE, "orphan-0", 1)
    stack.kill("functions")
    stack.start_functions(more=receivers.environment())
    assert len(ids(await receivers.until(EVERYBODY, "orphan-0", 2))) == 1
    await until("all is acked", lambda: caught_up(hands))
    assert len(receivers.got(OF_ONE, "orphan-0")) == 1
    assert (await verify(hands.settings)).ok
