"""Links as storage paths, against real servers on loopback: what is fetched, and what a hostile link cannot reach."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.ports import ObjectMissing, OutsideStore, StorageBusy, StorageRefused, StorageUnavailable
from chronos import app
from chronos.adapters import reaching
from chronos.adapters.addresses import refusal
from chronos.adapters.https_storage import HttpsStorage, Patience
from chronos.adapters.links import Hosts
from chronos.adapters.reaching import resolve
from chronos.config import Settings
from tests.web import Request, Site, certificate, drips, says

VIDEO = os.urandom(3_000_000)
QUICK = Patience(largest=4_000_000, stall=0.4, least=1000, connect=2, pause=0.01)
TOKEN = "token-that-nobody-may-see"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as running:
        running.answers["/a.mp4"] = says("200 OK", VIDEO)
        yield running


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


def store(*sites: Site, names: tuple[str, ...] = (), **more: object) -> HttpsStorage:
    """A store that may ask these sites, in one's own network unless told otherwise."""
    hosts = Hosts(f"{name}:{one.port}" for one in sites for name in (one.address, *names))
    return HttpsStorage(hosts, **{"allow_own": True, "patience": QUICK, **more})  # type: ignore[arg-type]


async def refused(storage: HttpsStorage, url: str, room: Path, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        await storage.fetch(url, room)
    assert TOKEN not in str(error.value)
    assert os.listdir(room) == []


async def test_a_video_is_fetched_with_its_size_and_digest(site: Site, room: Path) -> None:
    fetched = await store(site).fetch(site.url(f"/a.mp4?token={TOKEN}"), room)
    assert fetched.file.read_bytes() == VIDEO
    assert (fetched.bytes, fetched.sha256) == (len(VIDEO), hashlib.sha256(VIDEO).hexdigest())
    assert site.requests[0].target == f"/a.mp4?token={TOKEN}"
    assert site.requests[0].headers["host"] == f"127.0.0.1:{site.port}"
    assert site.requests[0].headers["accept-encoding"] == "identity"


async def test_a_body_in_chunks_is_a_whole_one(site: Site, room: Path) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (VIDEO[:9], VIDEO[9:])) + b"0\r\n\r\n"
    site.answers["/c"] = says("200 OK", body, content_length="", transfer_encoding="chunked")
    assert (await store(site).fetch(site.url("/c"), room)).bytes == len(VIDEO)


async def test_links_are_off_until_hosts_are_listed(site: Site, room: Path) -> None:
    await refused(HttpsStorage(Hosts(), allow_own=True), site.url("/a.mp4"), room, OutsideStore, "links are off")
    other = HttpsStorage(Hosts(["example.org"]), allow_own=True)
    await refused(other, site.url(f"/a.mp4?{TOKEN}"), room, OutsideStore, "not listed")
    assert site.connections == 0


async def test_the_settings_decide_who_is_asked(site: Site, room: Path, tmp_path: Path) -> None:
    listed = (f"127.0.0.1:{site.port}",)
    closed = Settings(home=tmp_path / "home", https_hosts=listed)
    with pytest.raises(OutsideStore, match="only https"):
        await app.store(closed).fetch(site.url("/a.mp4"), room)
    with pytest.raises(OutsideStore, match="loopback"):
        await app.store(closed).fetch(site.url("/a.mp4").replace("http:", "https:"), room)
    assert site.connections == 0
    opened = Settings(home=tmp_path / "home", https_hosts=listed, allow_private_addresses=True)
    assert (await app.store(opened).fetch(site.url("/a.mp4"), room)).bytes == len(VIDEO)
    small = Settings(home=tmp_path / "home", https_hosts=listed, allow_private_addresses=True, largest_download=9)
    with pytest.raises(StorageRefused, match="more than 9 bytes"):
        await app.store(small).fetch(site.url("/a.mp4"), room)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_no_spelling_of_a_private_address_is_connected_to(site: Site, room: Path, host: str) -> None:
    storage = HttpsStorage(Hosts([f"{host}:{site.port}"]), patience=QUICK)
    await refused(storage, f"https://{host}:{site.port}/a.mp4", room, OutsideStore, "leads to an address that is")
    assert site.connections == 0


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:a9fe:a9fe", "224.0.0.1", "0.0.0.0"])
async def test_metadata_services_are_refused_whatever_is_allowed(site: Site, room: Path, address: str) -> None:
    async def resolver(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1", address]

    storage = store(site, names=("video.test",), resolver=resolver)
    await refused(storage, site.url("/a.mp4", "video.test"), room, OutsideStore, "metadata|multicast|unspecified")
    assert site.connections == 0


async def test_a_name_is_resolved_once_and_connected_to_as_it_was_checked(site: Site, room: Path) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def rebinding(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    storage = store(site, names=("video.test",), resolver=rebinding)
    fetched = await storage.fetch(site.url("/a.mp4", "video.test"), room)
    assert fetched.bytes == len(VIDEO)
    assert len(answers) == 1
    assert site.requests[0].headers["host"] == f"video.test:{site.port}"


async def test_a_name_that_leads_elsewhere_by_the_second_request_is_refused_then(site: Site, room: Path) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    site.answers["/again"] = says("302 Found", location="/a.mp4")

    async def rebinding(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    storage = store(site, names=("video.test",), resolver=rebinding)
    await refused(storage, site.url("/again", "video.test"), room, OutsideStore, "metadata")
    assert [request.target for request in site.requests] == ["/again"]


async def test_a_redirect_to_a_private_address_is_not_followed(
    site: Site, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_the_first_is_public(address: str, *, allow_own: bool) -> str | None:
        return None if address == "127.0.0.1" else refusal(address, allow_own=False)

    monkeypatch.setattr(reaching, "refusal", only_the_first_is_public)
    async with Site("127.0.0.2") as inner:
        inner.answers["/secret"] = says("200 OK", b"secret")
        site.answers["/r"] = says("307 Temporary Redirect", location=inner.url(f"/secret?{TOKEN}"))
        await refused(store(site, inner), site.url("/r"), room, OutsideStore, "loopback")
        assert inner.connections == 0


async def test_a_redirect_is_followed_to_hosts_that_are_listed_and_to_no_others(site: Site, room: Path) -> None:
    async with Site("127.0.0.2") as other:
        other.answers["/a.mp4"] = says("200 OK", VIDEO)
        site.answers["/r"] = says("302 Found", location=other.url("/a.mp4"))
        await refused(store(site), site.url("/r"), room, OutsideStore, "not listed")
        assert other.connections == 0
        assert (await store(site, other).fetch(site.url("/r"), room)).bytes == len(VIDEO)
        assert other.requests[0].headers["host"] == f"127.0.0.2:{other.port}"


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "//user:word@127.0.0.1/", "http://[", "gopher:x", "https:///"],
)
async def test_a_redirect_to_what_is_no_link_is_refused(site: Site, room: Path, location: str) -> None:
    site.answers["/r"] = says("302 Found", location=location)
    await refused(store(site), site.url("/r"), room, OutsideStore, "outside|no link|carries")


async def test_redirects_that_never_end_are_given_up(site: Site, room: Path) -> None:
    site.answers["/r"] = says("302 Found", location="/r")
    await refused(store(site), site.url("/r"), room, StorageRefused, "more than 5 times")
    assert len(site.requests) == 6


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("404 Not Found", ObjectMissing),
        ("410 Gone", ObjectMissing),
        ("401 Unauthorized", StorageRefused),
        ("403 Forbidden", StorageRefused),
        ("400 Bad Request", StorageRefused),
        ("204 No Content", StorageRefused),
        ("206 Partial Content", StorageRefused),
        ("304 Not Modified", StorageRefused),
        ("408 Request Timeout", StorageUnavailable),
        ("429 Too Many Requests", StorageBusy),
        ("500 Internal Server Error", StorageUnavailable),
        ("503 Service Unavailable", StorageUnavailable),
    ],
)
async def test_what_the_server_answers_decides_whether_to_try_again(
    site: Site, room: Path, status: str, kind: type[Exception]
) -> None:
    site.answers["/x"] = says(status, content_length="" if status[0] == "2" and status[2] == "4" else "0")
    await refused(store(site), site.url(f"/x?sig={TOKEN}"), room, kind, status[:3])


async def test_a_body_that_is_cut_off_is_tried_again_and_leaves_no_part(site: Site, room: Path) -> None:
    site.answers["/cut"] = says("200 OK", VIDEO[:2_000_000], content_length=str(len(VIDEO)))
    await refused(store(site), site.url("/cut"), room, StorageUnavailable, "broke off|cut off")
    chunk = b"1000\r\n" + VIDEO[:99]
    site.answers["/chunk"] = says("200 OK", chunk, content_length="", transfer_encoding="chunked")
    await refused(store(site), site.url("/chunk"), room, StorageUnavailable, "broke off")


async def test_an_answer_whose_end_cannot_be_known_is_refused(site: Site, room: Path) -> None:
    site.answers["/x"] = says("200 OK", VIDEO, content_length="")
    await refused(store(site), site.url("/x"), room, StorageRefused, "how long")
    site.answers["/z"] = says("200 OK", VIDEO, content_encoding="gzip")
    await refused(store(site), site.url("/z"), room, StorageRefused, "compressed")


async def test_a_body_beyond_the_limit_is_refused_before_or_while_it_comes(site: Site, room: Path) -> None:
    site.answers["/big"] = says("200 OK", b"", content_length=str(1 << 50))
    await refused(store(site), site.url("/big"), room, StorageRefused, "more than 4,000,000 bytes")
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    site.answers["/flood"] = drips(head, b"10000\r\n" + bytes(65536) + b"\r\n", 0)
    await refused(store(site), site.url("/flood"), room, StorageRefused, "more than 4,000,000 bytes")


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"", b""),
    ],
    ids=["body", "headers", "nothing"],
)
async def test_a_server_that_drips_is_given_up(site: Site, room: Path, first: bytes, drop: bytes) -> None:
    site.answers["/slow"] = drips(first, drop, 0.05)
    async with asyncio.timeout(5):
        await refused(store(site), site.url("/slow"), room, StorageUnavailable, "slowly|in time")


async def test_a_download_has_an_end_even_if_it_makes_progress(site: Site, room: Path) -> None:
    first = b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n"
    site.answers["/steady"] = drips(first, bytes(2000), 0.05)
    patient = Patience(stall=0.4, least=1000, longest=1.0)
    async with asyncio.timeout(5):
        await refused(store(site, patience=patient), site.url("/steady"), room, StorageUnavailable, "slowly")


async def test_nonsense_is_tried_again(site: Site, room: Path) -> None:
    for answer in (b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"\0" * 99):

        async def nonsense(_request: Request, writer: asyncio.StreamWriter, said: bytes = answer) -> None:
            writer.write(said)

        site.answers["/x"] = nonsense
        await refused(store(site), site.url("/x"), room, StorageUnavailable, "broke off")


async def test_an_address_that_is_away_is_passed_over_for_the_next(site: Site, room: Path) -> None:
    async def resolver(_host: str, _port: int) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    storage = store(site, names=("video.test",), resolver=resolver)
    assert (await storage.fetch(site.url("/a.mp4", "video.test"), room)).bytes == len(VIDEO)


async def test_a_host_that_is_away_or_unknown_is_tried_again(site: Site, room: Path) -> None:
    async def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("name not known")

    async def nowhere(_host: str, _port: int) -> list[str]:
        return []

    await refused(store(site, resolver=unknown), site.url("/a.mp4"), room, StorageUnavailable, "resolved")
    await refused(store(site, resolver=nowhere), site.url("/a.mp4"), room, StorageUnavailable, "no address")
    storage = HttpsStorage(Hosts(["127.0.0.9:1"]), allow_own=True, patience=QUICK)
    await refused(storage, "http://127.0.0.9:1/a", room, StorageUnavailable, "out of reach")


async def test_the_environments_proxy_and_passwords_are_not_used(
    site: Site, room: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password geheim\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.9:1")
    await store(site).fetch(site.url("/a.mp4"), room)
    assert "authorization" not in site.requests[0].headers


async def test_the_systems_resolver_gives_every_address_once() -> None:
    found = await resolve("localhost", 80)
    assert "127.0.0.1" in found
    assert len(set(found)) == len(found)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates for the test are made by openssl")
class TestEncrypted:
    """With a certificate that the test makes."""

    async def test_the_certificate_is_checked_by_name_though_the_address_is_connected_to(
        self, tmp_path: Path, room: Path
    ) -> None:
        server, trust = certificate(tmp_path, "video.test")
        seen: list[str | None] = []
        server.sni_callback = lambda _socket, name, _context: seen.append(name)

        async def resolver(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        async with Site(tls=server) as site:
            site.answers["/a.mp4"] = says("200 OK", VIDEO)
            storage = store(site, names=("video.test", "other.test"), resolver=resolver, trust=trust)
            assert (await storage.fetch(site.url("/a.mp4", "video.test"), room)).bytes == len(VIDEO)
            assert seen == ["video.test"]
            (room / "source").unlink()
            wrong = site.url("/a.mp4", "other.test")
            await refused(storage, wrong, room, StorageUnavailable, "certificate is not valid")
            unknown = store(site, names=("video.test",), resolver=resolver)
            await refused(unknown, site.url("/a.mp4", "video.test"), room, StorageUnavailable, "certificate")
            assert len(site.requests) == 1

    async def test_a_redirect_is_checked_against_the_certificate_of_its_own_name(
        self, tmp_path: Path, room: Path
    ) -> None:
        """A connection that is kept was certified for the name before."""
        server, trust = certificate(tmp_path, "video.test")

        async def resolver(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        async with Site(tls=server) as site:
            site.answers["/r"] = says("302 Found", location=site.url("/a.mp4", "other.test"))
            storage = store(site, names=("video.test", "other.test"), resolver=resolver, trust=trust)
            await refused(storage, site.url("/r", "video.test"), room, StorageUnavailable, "certificate is not valid")

    async def test_no_redirect_leads_from_https_to_http(self, tmp_path: Path, site: Site, room: Path) -> None:
        server, trust = certificate(tmp_path, "127.0.0.1")
        async with Site(tls=server) as safe:
            safe.answers["/r"] = says("302 Found", location=site.url("/a.mp4"))
            await refused(store(safe, site, trust=trust), safe.url("/r"), room, OutsideStore, "without encryption")
        assert site.connections == 0
