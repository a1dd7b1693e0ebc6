"""Storage paths that are links into the web: what they say, and which hosts may be asked. Pure; nothing is resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from agents.ports import OutsideStore

PORTS = {"https": 443, "http": 80}

_WEB = re.compile(r"^https?:", re.IGNORECASE)
_ENTRY = re.compile(r"^(?P<wild>\*\.)?(?P<host>[^*/?#@\\\s]+)$")


@dataclass(frozen=True)
class Link:
    """A link that was understood. Its text never shows the query, where signatures and tokens are."""

    url: httpx.URL

    @property
    def scheme(self) -> str:
        return self.url.scheme

    @property
    def host(self) -> str:
        """In ASCII, without brackets and the root's dot: for the list, the certificate and the resolver."""
        return self.url.raw_host.decode().lower().rstrip(".")

    @property
    def port(self) -> int:
        return self.url.port or PORTS[self.scheme]

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def pinned(self, address: str) -> httpx.URL:
        """The same, at an address: nothing is left to be resolved."""
        return self.url.copy_with(host=address, port=self.port)

    def leads_to(self, location: str) -> Link:
        """Where a redirect goes.

        Raises:
            OutsideStore: nowhere that may be gone to.
        """
        try:
            return _checked(self.url.join(location))
        except (httpx.InvalidURL, ValueError) as error:
            raise OutsideStore(f"{self} redirects to what is no link: {type(error).__name__}") from error

    def __str__(self) -> str:
        path = self.url.raw_path.decode().partition("?")[0]
        return f"{self.scheme}://{self.authority}{path[:200]}"


def is_link(path: str) -> bool:
    return bool(_WEB.match(path))


def understood(path: str) -> Link:
    """The link that a storage path is.

    Raises:
        OutsideStore: it is none, or says more than where the video is.
    """
    if not path.isprintable() or " " in path or "\\" in path:
        raise OutsideStore("the link is outside the store: blanks, backslashes and control signs belong in no link")
    try:
        return _checked(httpx.URL(path))
    except (httpx.InvalidURL, ValueError) as error:
        raise OutsideStore(f"the link is outside the store: it is not well formed ({error})") from error


def _checked(url: httpx.URL) -> Link:
    if url.scheme not in PORTS:
        raise OutsideStore(f"{url.scheme[:20]}: is outside the store: a link is https://host/path")
    if not url.raw_host:
        raise OutsideStore("the link is outside the store: it names no host")
    if url.userinfo:
        raise OutsideStore(
            f"a link to {url.raw_host.decode()} is outside the store: it carries a user's name; "
            "give a link that needs none, such as a signed one"
        )
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise OutsideStore(f"the link is outside the store: there is no port {url.port}")
    return Link(url)


@dataclass(frozen=True)
class _Entry:
    host: str
    port: int | None
    wild: bool

    def allows(self, link: Link) -> bool:
        if link.port != (self.port or PORTS[link.scheme]):
            return False
        return link.host.endswith(f".{self.host}") if self.wild else link.host == self.host


class Hosts:
    """The hosts that may be asked: `example.org`, `*.example.org` (what is below it), `example.org:8443`."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        """Raises ValueError: an entry is no host."""
        self._entries = [_entry(text) for text in listed]

    def check(self, link: Link) -> None:
        """Raises OutsideStore: this host is not listed, or none is."""
        if not self._entries:
            raise OutsideStore(f"{link} is outside the store: links are off; list their hosts in CHRONOS_HTTPS_HOSTS")
        if not any(entry.allows(link) for entry in self._entries):
            raise OutsideStore(f"{link} is outside the store: {link.authority} is not listed in CHRONOS_HTTPS_HOSTS")


def _entry(text: str) -> _Entry:
    if found := _ENTRY.match(text.strip()):
        try:
            url = httpx.URL(f"https://{found['host']}/")
        except (httpx.InvalidURL, ValueError):
            url = httpx.URL()
        if url.raw_host and not url.userinfo:
            # httpx drops 443, the scheme's own: then 443 it is, for http as well
            explicit = found["host"].endswith(":443")
            return _Entry(Link(url).host, 443 if explicit else url.port, bool(found["wild"]))
    raise ValueError(f"{text!r} is no host: write example.org, *.example.org or example.org:8443")
