"""What every store keeps to, whoever made it: the same tests through each adapter, against a server that misbehaves."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.ports import (
    ObjectMissing,
    OutsideStore,
    StorageBusy,
    StorageInterrupted,
    StorageRefused,
    StorageUnavailable,
)
from chronos import doctor_checks
from streams.retry import Fault
from tests.azurite import AZURITE
from tests.buckets import SERVICE_ROLE
from tests.contract.stores import AZURITE_KEY, PLACES, SECRET, Place
from tests.gate import answers, cut, meanwhile, reads
from tests.web import Request, Site, certificate

VIDEO = os.urandom(3_000_000)
LARGE = os.urandom(9_000_000)  # more than one part of an upload
SECRETS = (SECRET, SERVICE_ROLE, AZURITE_KEY, "AKIAPLANTEDPLANTED00")

NO_AZURITE = pytest.mark.skipif(AZURITE is None, reason="no Azurite: see the end of the run")
BUCKETS = ("s3", "gs", "az", pytest.param("azurite", marks=NO_AZURITE), "supabase")


def at(*kinds: object) -> pytest.MarkDecorator:
    """The stores that a test is about."""
    return pytest.mark.parametrize("served", kinds, indirect=True, scope="module")


everywhere, over_a_network, not_for_links = at(*BUCKETS, "file", "https"), at(*BUCKETS, "https"), at(*BUCKETS, "file")
in_buckets = at(*BUCKETS)


@pytest.fixture(scope="module")
async def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with PLACES[request.param](tmp_path_factory.mktemp("stores")) as place:
        yield place


@pytest.fixture
async def place(served: Place) -> Place:
    await served.write("a.mp4", VIDEO)
    served.gate.requests.clear()
    served.gate.wrongs.clear()
    return served


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


async def refused(place: Place, room: Path, kind: type[Fault], says: str, name: str = "a.mp4") -> None:
    with pytest.raises(kind, match=says) as error:
        await place.store().fetch(place.path(name), room)
    assert not [secret for secret in SECRETS if secret in str(error.value)]
    assert os.listdir(room) == []


def ranges(place: Place) -> list[str]:
    """The parts of objects that were asked for, in their order."""
    asked = [request.headers for request in place.gate.requests if reads(request)]
    return [headers.get("x-ms-range") or headers.get("range", "") for headers in asked]


@everywhere
async def test_a_video_is_fetched_with_its_size_and_digest(place: Place, room: Path) -> None:
    fetched = await place.store().fetch(place.path("a.mp4"), room)
    assert fetched.file.read_bytes() == VIDEO
    assert (fetched.bytes, fetched.sha256) == (len(VIDEO), hashlib.sha256(VIDEO).hexdigest())


@over_a_network
async def test_a_download_that_breaks_goes_on_where_it_stopped(place: Place, room: Path) -> None:
    place.gate.next(cut(1_200_000), cut(700_000), which=reads)
    fetched = await place.store().fetch(place.path("a.mp4"), room)
    assert fetched.sha256 == hashlib.sha256(VIDEO).hexdigest()
    first, second, third = ranges(place)
    begun = [int(one.removeprefix("bytes=").partition("-")[0] or 0) for one in (first, second, third)]
    assert begun[0] == 0
    assert 0 < begun[1] <= 1_200_000
    assert begun[1] < begun[2] <= 1_900_000
    last = place.gate.requests[-1].headers
    assert last.get("if-match") or last.get("if-range")


@over_a_network
async def test_a_file_that_changes_while_it_is_read_is_tried_again(place: Place, room: Path) -> None:
    async def written() -> None:
        await place.write("a.mp4", LARGE[: len(VIDEO)])

    place.gate.next(meanwhile(written, cut(1_200_000)), which=reads)
    await refused(place, room, StorageUnavailable, "changed while it was read")


@everywhere
async def test_what_is_not_there_is_missing(place: Place, room: Path) -> None:
    await refused(place, room, ObjectMissing, "there is no", "nothing.mp4")


@in_buckets
async def test_a_bucket_that_is_not_there_is_named_and_tried_again(place: Place, room: Path) -> None:
    with pytest.raises(StorageUnavailable, match="no bucket") as error:
        await place.store("elsewhere").fetch(place.path("a.mp4"), room)
    assert "elsewhere" in str(error.value)


@not_for_links
@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "s3://other/a.mp4", "", "a\0b", "a\nb"])
async def test_a_path_that_is_no_key_is_refused_unasked(place: Place, room: Path, path: str) -> None:
    await refused(place, room, OutsideStore, "outside the store", path)
    assert not place.gate.requests


@not_for_links
@pytest.mark.parametrize("name", ["Über uns #1?.mp4", "a%2Fb.mp4", "%2e%2e/x.mp4", "a+b&c=d.mp4", "日本.mp4"])
async def test_odd_names_are_names(place: Place, room: Path, name: str) -> None:
    await place.write(name, b"x")
    assert (await place.store().fetch(name, room)).bytes == 1


@over_a_network
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", StorageRefused),
        ("403 Forbidden", StorageRefused),
        ("503 Service Unavailable", StorageInterrupted),
        ("500 Internal Server Error", StorageInterrupted),
    ],
)
async def test_a_key_without_rights_is_final_and_a_broken_server_is_tried_again(
    place: Place, room: Path, status: str, kind: type[Fault]
) -> None:
    place.gate.next(*[answers(status, b"<Error><Code>Why</Code></Error>")] * 2)
    await refused(place, room, kind, status[:3])


@over_a_network
async def test_a_store_that_asks_for_patience_is_given_it(place: Place, room: Path) -> None:
    place.gate.next(*[answers("429 Too Many Requests", retry_after="7")] * 2)
    with pytest.raises(StorageBusy) as error:
        await place.store().fetch(place.path("a.mp4"), room)
    assert error.value.retry_after in (5.0, 7.0)  # obstore does not tell what the header says


@everywhere
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
async def test_a_full_disk_is_told_and_leaves_no_part(place: Place, room: Path) -> None:
    (room / "source").symlink_to("/dev/full")
    await refused(place, room, StorageUnavailable, "free some space")


@over_a_network
async def test_what_is_too_large_is_refused(place: Place, room: Path) -> None:
    with pytest.raises(StorageRefused, match="CHRONOS_LARGEST_DOWNLOAD"):
        await place.store(largest=1000).fetch(place.path("a.mp4"), room)
    assert os.listdir(room) == []


@not_for_links
async def test_an_upload_is_named_by_its_content_and_sent_once(place: Place, room: Path, tmp_path: Path) -> None:
    file = tmp_path / "Über uns (final).mp4"
    file.write_bytes(LARGE)
    told: list[int] = []
    key = await place.store().put(file, "ä/../b", told.append)
    assert hashlib.sha256(LARGE).hexdigest()[:16] in key
    assert key.count("/") == 1
    assert sum(told) == len(LARGE)
    fetched = await place.store().fetch(key, room)
    assert fetched.sha256 == hashlib.sha256(LARGE).hexdigest()
    place.gate.requests.clear()
    assert await place.store().put(file, "ä/../b") == key
    assert not [one for one in place.gate.requests if one.headers[":method"] == "PUT" or len(one.body) > 1000]


@in_buckets
async def test_an_upload_whose_server_stumbles_is_sent_again(place: Place, room: Path, tmp_path: Path) -> None:
    def sends(request: Request) -> bool:
        return len(request.body) > 1000

    file = tmp_path / "again.mp4"
    file.write_bytes(os.urandom(3_000_000))
    place.gate.next(answers("503 Service Unavailable"), which=sends)
    told: list[int] = []
    key = await place.store().put(file, "ada", told.append)
    assert sum(told) == 3_000_000
    assert (await place.store().fetch(key, room)).file.read_bytes() == file.read_bytes()


@in_buckets
async def test_an_upload_into_a_bucket_that_is_not_there_names_it(place: Place, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(StorageUnavailable, match="no bucket"):
        await place.store("elsewhere").put(tmp_path / "a.mp4", "ada")


@in_buckets
async def test_a_file_that_changes_while_it_is_uploaded_is_not_taken_for_its_old_self(
    place: Place, room: Path, tmp_path: Path
) -> None:
    file = tmp_path / "growing.mp4"
    file.write_bytes(LARGE)

    def written(_: int) -> None:
        with file.open("r+b") as out:
            out.seek(-1, os.SEEK_END)
            out.write(b"x" if LARGE[-1:] != b"x" else b"y")

    store = place.store()
    with pytest.raises(StorageUnavailable, match="changed while it was uploaded"):
        await store.put(file, "ada", written)


@not_for_links
async def test_uploading_what_is_not_there_says_so(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing, match=r"gone\.mp4"):
        await place.store().put(tmp_path / "gone.mp4", "ada")


@not_for_links
async def test_a_player_gets_the_part_that_it_asks_for(place: Place) -> None:
    store = place.store()
    found = await store.look("a.mp4")
    assert found.size == len(VIDEO)
    got = b"".join([block async for block in store.part("a.mp4", found, 1_000, 2_000_999)])
    assert got == VIDEO[1_000:2_001_000]
    await place.write("a.mp4", LARGE[: len(VIDEO)])
    with pytest.raises(StorageUnavailable, match="changed"):
        assert [block async for block in store.part("a.mp4", found, 0, 9)]
    with pytest.raises(ObjectMissing):
        await store.look("nothing.mp4")


@in_buckets
@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates for the test are made by openssl")
async def test_a_certificate_that_nobody_vouches_for_is_told(place: Place, room: Path, tmp_path: Path) -> None:
    shown, _ = certificate(tmp_path, "127.0.0.1")
    async with Site(tls=shown) as site:
        with pytest.raises(StorageInterrupted, match="certificate"):
            await place.elsewhere(site.url("/account")).fetch("a.mp4", room)
        assert not site.requests


@in_buckets
async def test_a_server_that_is_away_is_tried_again(place: Place, room: Path) -> None:
    with pytest.raises(StorageInterrupted, match=r"out of reach|broke off") as error:
        await place.elsewhere("http://127.0.0.1:1/account").fetch("a.mp4", room)
    assert not [secret for secret in SECRETS if secret in str(error.value)]


@in_buckets
async def test_the_doctor_says_whether_the_bucket_is_there(place: Place) -> None:
    for bucket, well in (("videos", True), ("elsewhere", False)):
        found = await doctor_checks.storage(place.settings.model_copy(update={"storage_url": f"{place.base}{bucket}"}))
        assert found.ok == well, found
        assert well or "no bucket" in found.found
