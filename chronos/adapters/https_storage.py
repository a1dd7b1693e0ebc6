"""Videos behind links of hosts that are listed, at addresses that may be reached (see reaching.py).

The same anew for each redirect, on a new connection, since one that is kept was certified for another name.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

import httpx

from agents.ports import Fetched, ObjectMissing, OutsideStore, StorageInterrupted, StorageRefused
from chronos.adapters.answers import ANOTHER, DENIED, GONE, HEADERS, LATER, busy, strong, whole_of
from chronos.adapters.downloading import USUAL, Download, Opened, Patience, changed, no_parts
from chronos.adapters.links import Hosts, Link, understood
from chronos.adapters.reaching import Forbidden, OutOfReach, Reach, Resolve, reason, resolve


class HttpsStorage:
    """Links as storage paths."""

    def __init__(
        self,
        hosts: Hosts,
        *,
        allow_own: bool = False,
        patience: Patience = USUAL,
        resolver: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            allow_own: addresses of one's own network as well, and without encryption.
            trust: whose certificates are believed; the usual ones (and SSL_CERT_FILE) if absent.
        """
        self._hosts, self._patience = hosts, patience
        self._reach = Reach(allow_own=allow_own, resolver=resolver, trust=trust)

    async def fetch(self, path: str, room: Path) -> Fetched:
        """See agents.ports.Storage. The copy in the room is named `source`."""
        link = understood(path)
        self._hosts.check(link)
        return await Download(str(link), partial(self._opened, link), self._patience).to(room / "source")

    @asynccontextmanager
    async def _opened(self, link: Link, first: int, tag: str | None) -> AsyncIterator[Opened]:
        """See downloading.Opens. Redirects are gone through each time: what they lead to may be signed for a while."""
        asked = {"Range": f"bytes={first}-", "If-Range": tag} if first and tag else {}
        try:
            async with self._reach.wire() as wire, self._answer(wire, link, asked) as (found, response):
                size = _rest(response, found, first) if asked else _promised(response, found)
                yield Opened(size, strong(response.headers.get("etag")), response.aiter_raw())
        except httpx.TimeoutException as error:
            raise StorageInterrupted(f"{link} gave no answer in time ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise StorageInterrupted(f"{link} broke off: {reason(error)}") from error

    @asynccontextmanager
    async def _answer(
        self, wire: httpx.AsyncHTTPTransport, link: Link, asked: Mapping[str, str]
    ) -> AsyncIterator[tuple[Link, httpx.Response]]:
        """The response that holds the object, and where it was found after redirects."""
        for _ in range(self._patience.redirects + 1):
            response = await self._ask(wire, link, asked)
            try:
                if not response.has_redirect_location:
                    _expect_object(response, link, asked)
                    yield link, response
                    return
                link = self._next(link, response.headers["location"])
            finally:
                await response.aclose()
        raise StorageRefused(f"{link} is redirected more than {self._patience.redirects} times: give the last link")

    def _next(self, link: Link, location: str) -> Link:
        following = link.leads_to(location)
        if link.scheme == "https" != following.scheme:
            raise OutsideStore(f"{link} redirects to one without encryption, which is not followed")
        self._hosts.check(following)
        return following

    async def _ask(self, wire: httpx.AsyncHTTPTransport, link: Link, asked: Mapping[str, str]) -> httpx.Response:
        if link.scheme != "https" and not self._reach.allow_own:
            raise OutsideStore(f"{link} is outside the store: only https links are followed")
        try:
            return await self._reach.ask(wire, link, partial(self._request, link, asked), self._patience.stall)
        except Forbidden as error:
            raise OutsideStore(f"{link} is outside the store: {error}") from error
        except OutOfReach as error:
            raise StorageInterrupted(str(error)) from error

    def _request(self, link: Link, asked: Mapping[str, str], address: str) -> httpx.Request:
        stall, connect = self._patience.stall, self._patience.connect
        return httpx.Request(
            "GET",
            link.pinned(address),
            headers={"Host": link.authority, **HEADERS, **asked},
            extensions={"sni_hostname": link.host, "timeout": httpx.Timeout(stall, connect=connect).as_dict()},
        )


def _promised(response: httpx.Response, link: Link) -> int | None:
    """Bytes of the whole. None where the end is marked in the body itself."""
    length = response.headers.get("content-length")
    if length is not None:
        return int(length)  # h11 has seen that it is a number
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        return None
    raise StorageRefused(f"{link} does not say how long it is, so that a cut could not be seen")


def _rest(response: httpx.Response, link: Link, first: int) -> int:
    """Bytes of the whole, of which this is the part from `first` on."""
    size = whole_of(response, first)
    if size is None:
        raise StorageRefused(f"{link.authority} gives another part of {link} than it was asked for")
    return size


def _expect_object(response: httpx.Response, link: Link, asked: Mapping[str, str]) -> None:
    status = response.status_code
    if status in GONE:
        raise ObjectMissing(f"there is nothing at {link} ({status})")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise busy(response, link.authority)
    if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise StorageInterrupted(f"{link.authority} does not give {link} now ({status})")
    if status in DENIED:
        raise StorageRefused(f"{link.authority} does not let us read {link} ({status}): has the link expired?")
    if asked and status in ANOTHER:
        raise changed(str(link)) if response.headers.get("etag") != asked["If-Range"] else no_parts(str(link))
    if status != (HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK):
        raise StorageRefused(f"{link.authority} answers {status} for {link}, and not with an object")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise StorageRefused(f"{link} comes compressed, though it was asked for as it is")
