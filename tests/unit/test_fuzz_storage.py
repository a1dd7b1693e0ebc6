"""Whatever a storage path says, the answer is an object of the store or a fault: no crash, nothing from outside."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.ports import OutsideStore
from chronos.adapters.addresses import refusal
from chronos.adapters.file_storage import FileStorage
from chronos.adapters.https_storage import HttpsStorage
from chronos.adapters.links import Hosts, Link, is_link, understood
from chronos.adapters.routed_storage import RoutedStorage
from streams.retry import Fault

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = [
    "..", ".", "/", "//", "a", "inside", "out", "up", "loop", "secret", "store", "pipe", "~", "\\", "\0", "\n", " ",
    "%2e", "%2f", "%00", "\ud800", "\u202e", "．．", "‥", "file:", "file://", "s3://", "x" * 256, "C:", "?", "#", "*",
    "é", "e\u0301",
]  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES), max_size=8)
paths = pieces.map("".join) | pieces.map("/".join)
URLS = [
    "http", "https", "HTTPS", "ftp", "file", ":", "/", "//", "://", "@", "host", "host.test", "127.0.0.1", "[::1]", "[",
    "]", "0x7f.1", "2130706433", "?", "#", "%", "%00", "%25", "&", "=", "..", ".", ":443", ":0", ":65536", ":x", "\\",
    "\t", "\r\n", " ", "\0", "user:word@", "xn--", "ü", "１２７", "。", "\ud800", "-", "*", "a" * 300, "\u202e",
    "[::ffff:127.0.0.1]", "[fe80::1%25lo]",
]  # fmt: skip
endings = st.lists(st.sampled_from(URLS), max_size=8).map("".join)
urls = endings | endings.map("https://{}".format) | st.text(max_size=30).map("https://{}".format)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FileStorage:
    """A store with links of every kind in it, and a secret beside it."""
    home = tmp_path_factory.mktemp("fuzz")
    root = home / "store"
    (root / "a").mkdir(parents=True)
    (home / "secret").write_text("secret")
    for place in ("inside", "a/inside", "a/a"):
        (root / place).write_text("video")
    for place, target in {"out": "../secret", "up": "..", "loop": "loop", "a/out": "/", "a/up": "../.."}.items():
        (root / place).symlink_to(target)
    os.mkfifo(root / "pipe")
    return FileStorage(root)


def fetched(storage: FileStorage | HttpsStorage | RoutedStorage, path: str, room: Path) -> str | None:
    """What came of it; None for a fault."""

    async def fetch() -> str | None:
        async with asyncio.timeout(5):
            try:
                found = await storage.fetch(path, room)
            except Fault as fault:
                str(fault).encode()
                return None
        return found.file.read_text()

    return asyncio.run(fetch())


@QUICK
@given(path=paths | st.text(max_size=20))
def test_any_path_is_an_object_of_the_store_or_a_fault(store: FileStorage, tmp_path: Path, path: str) -> None:
    assert fetched(store, path, tmp_path) in (None, "video")


@QUICK
@given(url=urls | paths)
def test_any_url_is_a_link_or_a_fault_and_private_addresses_are_never_asked(
    store: FileStorage, tmp_path: Path, url: str
) -> None:
    async def nobody(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    class Everybody(Hosts):
        def check(self, link: Link) -> None:
            """No list stands before the address."""

    web = HttpsStorage(Everybody(), resolver=nobody)
    assert fetched(RoutedStorage(store, web), url, tmp_path) in (None, "video")
    if is_link(url):
        assert fetched(web, url, tmp_path) is None


@given(urls)
def test_any_link_is_understood_in_one_way_or_refused(url: str) -> None:
    try:
        link = understood(url)
    except OutsideStore:
        return
    again = understood(str(link.url))
    assert (again.scheme, again.host, again.port) == (link.scheme, link.host, link.port)
    assert link.scheme in ("http", "https")
    assert 0 < link.port < 65536
    assert "?" not in str(link)
    assert "@" not in link.authority
    assert not set("/\\ \r\n\t\0#?") & set(link.authority)
    assert link.pinned("192.0.2.1").host == "192.0.2.1"


@given(urls, st.text(max_size=40) | urls)
def test_any_redirect_is_a_link_or_refused(url: str, location: str) -> None:
    try:
        following = understood(url).leads_to(location)
    except OutsideStore:
        return
    assert following.scheme in ("http", "https")


@given(st.text(max_size=20) | urls)
def test_any_entry_of_the_list_is_a_host_or_wrong(entry: str) -> None:
    try:
        hosts = Hosts([entry])
    except ValueError:
        return
    with pytest.raises(OutsideStore):
        hosts.check(understood("https://nobody-lists-this.example/"))


@given(st.text(max_size=20) | st.ip_addresses().map(str))
def test_any_text_is_an_address_that_is_judged_or_none(text: str) -> None:
    if refusal(text) is None:
        assert ipaddress.ip_address(text)
