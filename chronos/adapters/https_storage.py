"""Videos behind links of hosts that are listed, at addresses that may be reached (see reaching.py).

The same anew for each redirect, on a new connection, since one that is kept was certified for another name.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from agents.ports import Fetched, ObjectMissing, OutsideStore, StorageRefused, StorageUnavailable
from chronos.adapters.links import Hosts, Link, understood
from chronos.adapters.parts import Part
from chronos.adapters.reaching import Forbidden, OutOfReach, Reach, Resolve, reason, resolve

_GONE = {404, 410}
_LATER = {408, 425, 429}


@dataclass(frozen=True)
class Patience:
    """What a download may take."""

    largest: int = 20 << 30
    """Bytes of one object."""

    stall: float = 30.0
    """Seconds for the beginning of an answer, and for every `least` bytes of it after that."""

    least: int = 64 << 10
    """Bytes. Below 2 KB/s no video is worth the slot; above 20 KB/s poor lines would be cut off."""

    connect: float = 10.0
    """Seconds for one address. The next is tried after it."""

    longest: float = 6 * 3600.0
    """Seconds for the whole."""

    redirects: int = 5


class HttpsStorage:
    """Links as storage paths."""

    def __init__(
        self,
        hosts: Hosts,
        *,
        allow_own: bool = False,
        patience: Patience = Patience(),
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
        try:
            async with (
                asyncio.timeout(self._patience.longest),
                self._reach.wire() as wire,
                self._answer(wire, link) as (found, response),
            ):
                return await self._body(response, found, room / "source")
        except TimeoutError:
            raise StorageUnavailable(f"{link} comes too slowly: the download was given up") from None
        except httpx.TimeoutException as error:
            raise StorageUnavailable(f"{link} gave no answer in time ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise StorageUnavailable(f"{link} broke off: {reason(error)}") from error

    @asynccontextmanager
    async def _answer(self, wire: httpx.AsyncHTTPTransport, link: Link) -> AsyncIterator[tuple[Link, httpx.Response]]:
        """The response that holds the object, and where it was found after redirects."""
        for _ in range(self._patience.redirects + 1):
            response = await self._ask(wire, link)
            try:
                if not response.has_redirect_location:
                    _expect_object(response, link)
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

    async def _ask(self, wire: httpx.AsyncHTTPTransport, link: Link) -> httpx.Response:
        if link.scheme != "https" and not self._reach.allow_own:
            raise OutsideStore(f"{link} is outside the store: only https links are followed")
        try:
            return await self._reach.ask(wire, link, partial(self._request, link), self._patience.stall)
        except Forbidden as error:
            raise OutsideStore(f"{link} is outside the store: {error}") from error
        except OutOfReach as error:
            raise StorageUnavailable(str(error)) from error

    def _request(self, link: Link, address: str) -> httpx.Request:
        stall, connect = self._patience.stall, self._patience.connect
        return httpx.Request(
            "GET",
            link.pinned(address),
            headers={"Host": link.authority, "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "chronos"},
            extensions={"sni_hostname": link.host, "timeout": httpx.Timeout(stall, connect=connect).as_dict()},
        )

    async def _body(self, response: httpx.Response, link: Link, file: Path) -> Fetched:
        promised = self._promised(response, link)
        with Part(file) as part:
            async with asyncio.timeout(self._patience.stall) as left:
                since = 0
                async for some in response.aiter_raw():
                    await part.add(some)
                    self._not_too_large(part.bytes, link)
                    since += len(some)
                    if since >= self._patience.least:
                        since = 0
                        left.reschedule(asyncio.get_running_loop().time() + self._patience.stall)
            if promised is not None and part.bytes != promised:
                raise StorageUnavailable(f"{link} was cut off: {part.bytes} bytes of {promised}")
            return await part.whole()

    def _promised(self, response: httpx.Response, link: Link) -> int | None:
        """Bytes that are to come. None where the end is marked in the body itself."""
        length = response.headers.get("content-length")
        if length is None:
            if "chunked" in response.headers.get("transfer-encoding", "").lower():
                return None
            raise StorageRefused(f"{link} does not say how long it is, so that a cut could not be seen")
        promised = int(length)  # h11 has seen that it is a number
        self._not_too_large(promised, link)
        return promised

    def _not_too_large(self, size: int, link: Link) -> None:
        if size > self._patience.largest:
            raise StorageRefused(
                f"{link} has more than {self._patience.largest:,} bytes: raise CHRONOS_LARGEST_DOWNLOAD to allow it"
            )


def _expect_object(response: httpx.Response, link: Link) -> None:
    status = response.status_code
    if status in _GONE:
        raise ObjectMissing(f"there is nothing at {link} ({status})")
    if status in _LATER or status >= 500:
        raise StorageUnavailable(f"{link.authority} does not give {link} now ({status})")
    if status in (401, 403):
        raise StorageRefused(f"{link.authority} does not let us read {link} ({status}): has the link expired?")
    if status != 200:
        raise StorageRefused(f"{link.authority} answers {status} for {link}, and not with an object")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise StorageRefused(f"{link} comes compressed, though it was asked for as it is")
