"""docs/how-to/stores.md, followed: an upload into a bucket, a video in another one, and a player that jumps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from agents.ports import OutsideStore
from chronos import app
from chronos.config import Settings
from tests.contract.stores import Place, amazon
from tests.e2e.conftest import serving
from tests.e2e.test_how_to import commands
from tests.e2e.test_rewind import chronos
from tests.films import film, noise
from tests.gate import cut, reads
from tests.pages import snippets
from tests.stack import Stack, new_stack, until

PAGE = "stores"
ENVIRONMENTS = [dict(line.split("=", 1) for line in one.splitlines()) for one in snippets(PAGE, "env")]


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with amazon(tmp_path_factory.mktemp("amazon")) as place:
        yield place


@pytest.fixture(scope="module")
def environment(place: Place) -> dict[str, str]:
    """What the page says of S3, at a server of ours."""
    archive = {"CHRONOS_STORES": "s3://archive/2019"}
    return ENVIRONMENTS[0] | archive | {"AWS_ENDPOINT_URL": place.gate.url, "CHRONOS_PARALLEL_CALLS": "4"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Stack]:
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_functions(more=environment)
        stack.start_projection()
        yield stack


@pytest.mark.parametrize("named", ENVIRONMENTS, ids=lambda named: next(iter(named.values())))
async def test_what_the_page_says_of_a_store_makes_one(
    named: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    account = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    (tmp_path / "google.json").write_text(json.dumps(account))
    for name, value in named.items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(tmp_path)))
    settings = Settings(home=tmp_path)
    store = app.store(settings)
    for url in (*settings.stores, *([settings.storage_url] if settings.storage_url else [])):
        with pytest.raises(OutsideStore, match="no absolute path"):  # it has come as far as the store that is meant
            await store.look(f"{url}/../a.mp4")


@pytest.fixture
async def archive(place: Place, tmp_path: Path) -> bytes:
    """The page's buckets, and the video in one of them."""
    video = film(tmp_path / "old.wav", (0, noise(2)), codec="pcm_s16le").read_bytes()
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{place.gate.upstream}", headers=signed) as client:
        for path, content in {"/my-videos": b"", "/archive": b"", "/archive/2019/tides.mp4": video}.items():
            (await client.put(path, content=content)).raise_for_status()
    return video


@pytest.mark.long
async def test_a_file_goes_into_the_bucket_and_is_transcribed_out_of_it_though_the_line_breaks(
    place: Place, environment: dict[str, str], stack: Stack, tmp_path: Path, archive: bytes
) -> None:
    video = film(tmp_path / "lecture.wav", (0, noise(5)), codec="pcm_s16le").rename(tmp_path / "lecture.mp4")
    whole = video.read_bytes()
    place.gate.next(cut(100_000), which=reads)
    upload, old_one = commands(PAGE)
    done = await chronos(stack, *(str(video) if word == video.name else word for word in upload), more=environment)
    assert done.exit_code == 0, done.stderr
    first, second = [one.headers.get("range") for one in place.gate.requests if reads(one)]
    assert first is None
    assert 0 < int(str(second).removeprefix("bytes=").rstrip("-")) <= 100_000
    done = await chronos(stack, *old_one, more=environment)
    assert done.exit_code == 0, done.stderr

    async def old_is_completed() -> bool:
        return '"completed"' in (await chronos(stack, "status", "old-tides", "--json")).stdout

    await until("the video of the archive is completed", old_is_completed)
    with serving(stack, **environment) as served:
        await plays(f"{served.url}/v1/videos/ada/tides/media", whole)
        await plays(f"{served.url}/v1/videos/ada/old-tides/media", archive)


async def plays(url: str, whole: bytes) -> None:
    """What a player asks for: all, a part in the middle, and what is not there."""
    async with httpx.AsyncClient() as player:
        assert (await player.get(url)).content == whole
        part = await player.get(url, headers={"Range": "bytes=1000-2999"})
        assert (part.status_code, part.headers["content-range"]) == (206, f"bytes 1000-2999/{len(whole)}")
        assert part.content == whole[1000:3000]
        beyond = await player.get(url, headers={"Range": f"bytes={len(whole)}-"})
        assert beyond.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE
