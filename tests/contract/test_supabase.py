"""What only Supabase has: links that end, a key that may do everything, errors of two ages, its own links as paths."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.ports import ObjectMissing, OutsideStore, StorageRefused, StorageUnavailable
from chronos import app
from chronos.adapters.store import Store
from chronos.config import Settings
from streams.retry import Fault
from tests.buckets import SERVICE_ROLE, Buckets, supabase
from tests.gate import Gate, answers, cut, meanwhile, reads
from tests.web import Site

VIDEO = os.urandom(3_000_000)


@pytest.fixture
def served() -> AsyncIterator[Buckets]:
    with Buckets(supabase) as served:
        served.shelf.put(("videos", "anna/a.mp4"), VIDEO)
        yield served


@pytest.fixture
async def gate(served: Buckets) -> AsyncIterator[Gate]:
    async with Gate(served.port) as gate:
        yield gate


def store(gate: Gate | str, home: Path, key: str = SERVICE_ROLE, **more: object) -> Store:
    url = gate if isinstance(gate, str) else gate.url
    keys = {"supabase_url": url, "supabase_service_role_key": key, "storage_url": "supabase://videos"}
    return app.store(Settings(home=home, **{**keys, **more}))  # type: ignore[arg-type]


def signings(gate: Gate) -> int:
    return len([one for one in gate.requests if one.headers[":method"] == "POST"])


async def test_a_link_that_ends_in_the_middle_is_asked_for_anew(served: Buckets, gate: Gate, tmp_path: Path) -> None:
    async def end() -> None:
        served.shelf.links.clear()

    gate.next(meanwhile(end, cut(1_200_000)), which=reads)
    fetched = await store(gate, tmp_path).fetch("anna/a.mp4", tmp_path)
    assert fetched.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert signings(gate) == 2


async def test_the_key_is_sent_to_ask_for_a_link_and_not_with_what_is_read(gate: Gate, tmp_path: Path) -> None:
    await store(gate, tmp_path).fetch("anna/a.mp4", tmp_path)
    assert [SERVICE_ROLE in str(one.headers) for one in gate.requests] == [True, False]


async def test_a_redirect_does_not_get_the_key(gate: Gate, tmp_path: Path) -> None:
    async with Site("127.0.0.2") as other:
        gate.next(answers("307 Temporary Redirect", location=other.url("/")))
        with pytest.raises(StorageRefused, match="307"):
            await store(gate, tmp_path).fetch("anna/a.mp4", tmp_path)
        assert other.connections == 0


async def test_a_link_to_somewhere_else_is_not_followed(gate: Gate, tmp_path: Path) -> None:
    async with Site("127.0.0.2") as other:
        gate.next(answers("200 OK", json.dumps({"signedURL": other.url("/object/sign/x")}).encode()))
        with pytest.raises(StorageUnavailable, match="nonsense"):
            await store(gate, tmp_path).fetch("anna/a.mp4", tmp_path)
        assert other.connections == 0


@pytest.mark.parametrize("how", ["sign", "public", "authenticated"])
async def test_supabases_own_links_are_read_with_the_key_when_they_have_expired(
    served: Buckets, gate: Gate, tmp_path: Path, how: str
) -> None:
    served.shelf.put(("videos", "anna/ü b.mp4"), b"x")
    link = f"{gate.url}/storage/v1/object/{how}/videos/anna/%C3%BC%20b.mp4?token=expired"
    assert (await store(gate, tmp_path).fetch(link, tmp_path)).bytes == 1
    with pytest.raises(OutsideStore, match="links are off"):  # another bucket's are links like all others
        await store(gate, tmp_path).fetch(link.replace("/videos/", "/private/"), tmp_path)


async def test_a_key_that_is_wrong_is_told_without_it(gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match="check SUPABASE_SERVICE_ROLE_KEY") as error:
        await store(gate, tmp_path, key="another-key-PLANTED").fetch("anna/a.mp4", tmp_path)
    assert "PLANTED" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("404 Not Found", {"code": "NoSuchKey", "message": "Object not found"}, ObjectMissing),
        ("404 Not Found", {"code": "NoSuchBucket", "message": "Bucket not found"}, StorageUnavailable),
        ("400 Bad Request", {"statusCode": "404", "error": "not_found", "message": "Object not found"}, ObjectMissing),
        ("400 Bad Request", {"statusCode": "403", "error": "Unauthorized", "message": "no"}, StorageRefused),
        ("403 Forbidden", {"code": "AccessDenied", "message": "no"}, StorageRefused),
        ("400 Bad Request", {"code": "InvalidKey", "message": "Invalid key"}, StorageRefused),
        ("200 OK", {"nothing": "signed"}, StorageUnavailable),
        ("200 OK", [], StorageUnavailable),
    ],
)
async def test_errors_of_both_ages_are_understood(
    gate: Gate, tmp_path: Path, status: str, body: object, kind: type[Fault]
) -> None:
    gate.next(answers(status, json.dumps(body).encode()))
    with pytest.raises(kind):
        await store(gate, tmp_path).fetch("anna/a.mp4", tmp_path)


async def test_a_fresh_link_that_is_refused_too_is_not_asked_for_for_ever(gate: Gate, tmp_path: Path) -> None:
    gate.next(cut(1_200_000), answers("403 Forbidden"), answers("403 Forbidden"), which=reads)
    with pytest.raises(StorageRefused):
        await store(gate, tmp_path).fetch("anna/a.mp4", tmp_path)
    assert signings(gate) == 2
    assert not (tmp_path / "source").exists()
