"""The API's media route over stores: the parts that players ask for, whichever store holds the video."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from chronos.api import media, reading
from chronos.api.keys import Keyring
from chronos.api.problems import register
from tests.contract.stores import PLACES, Place
from tests.gate import answers

VIDEO = os.urandom(300_000)


class NoPace:
    async def take(self, _scope: object, _who: str) -> dict[str, str]:
        return {}


@dataclass
class Player:
    """Asks for one video, whose storage path a test sets."""

    place: Place
    client: httpx.AsyncClient
    at: Callable[[str | None], None]

    async def get(self, span: str = "") -> httpx.Response:
        return await self.client.get("/v1/videos/ada/a/media", headers={"Range": span} if span else {})


@pytest.fixture(scope="module", params=["file", "s3", "supabase"])
async def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with PLACES[request.param](tmp_path_factory.mktemp("stores")) as place:
        await place.write("a.mp4", VIDEO)
        await place.write("empty.mp4", b"")
        yield place


@pytest.fixture
async def player(served: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Player]:
    known = SimpleNamespace(storage_path="a.mp4")

    async def video(*_: object) -> SimpleNamespace:
        return known

    monkeypatch.setattr(reading, "video", video)
    settings = served.settings.model_copy(update={"storage_url": f"{served.base}videos/lectures"})
    app = FastAPI()
    app.state.resources = SimpleNamespace(settings=settings, keyring=Keyring.of([], [], []), pace=NoPace())
    app.include_router(media.router)
    register(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield Player(served, client, lambda path: setattr(known, "storage_path", path))


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        ("bytes=0-", 0, 299_999),
        ("bytes=1000-1999", 1000, 1999),
        ("bytes=299990-999999", 299_990, 299_999),
        ("bytes=-10", 299_990, 299_999),
    ],
)
async def test_a_part_is_what_was_asked_for(player: Player, span: str, first: int, last: int) -> None:
    part = await player.get(span)
    assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {first}-{last}/300000")
    assert part.content == VIDEO[first : last + 1]
    assert part.headers["content-type"] == "video/mp4"


async def test_without_a_part_it_is_all(player: Player) -> None:
    for nothing in ("", "bytes=1-2,5-6", "lines=1-2"):
        whole = await player.get(nothing)
        assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, VIDEO, "bytes")


async def test_a_part_beyond_the_end_is_none(player: Player) -> None:
    beyond = await player.get("bytes=300000-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */300000")


async def test_an_empty_file_is_empty(player: Player) -> None:
    player.at("empty.mp4")
    assert (await player.get()).content == b""
    assert (await player.get("bytes=0-")).status_code == 416


async def test_what_is_in_no_store_is_not_found(player: Player) -> None:
    for path in (None, "nothing.mp4", "../a.mp4", "https://files.example/a.mp4", "gs://other/a.mp4"):
        player.at(path)
        assert (await player.get()).status_code == 404, path


@pytest.mark.parametrize("served", ["s3", "supabase"], indirect=True)
async def test_a_store_that_refuses_is_told(player: Player) -> None:
    for status in ("403 Forbidden", "500 Internal Server Error", "429 Too Many Requests"):
        player.place.gate.next(answers(status))
        refused = await player.get()
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
