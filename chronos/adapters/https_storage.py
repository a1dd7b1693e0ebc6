"""Videos behind links of hosts that are listed. A link cannot make a worker reach what only the worker can reach.

The name is resolved once, every address it has is checked, and the connection goes to one that was checked: a second
look-up could answer otherwise (DNS rebinding). Host header, SNI and certificate stay by name. The same anew for each
redirect, on a new connection, since one that is kept was certified for another name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from agents.ports import Fetched, ObjectMissing, OutsideStore, StorageRefused, StorageUnavailable
from chronos.adapters.addresses import refusal
from chronos.adapters.links import Hosts, Link, understood
from chronos.adapters.parts import Part

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives all addresses of a host, in the order in which they are to be tried. Raises OSError."""

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


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))


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
        self._hosts, self._allow_own, self._patience, self._resolve = hosts, allow_own, patience, resolver
        self._trust = trust

    async def fetch(self, path: str, room: Path) -> Fetched:
        """See agents.ports.Storage. The copy in the room is named `source`."""
        link = understood(path)
        self._hosts.check(link)
        try:
            async with (
                asyncio.timeout(self._patience.longest),
                self._wire() as wire,
                self._answer(wire, link) as (found, response),
            ):
                return await self._body(response, found, room / "source")
        except TimeoutError:
            raise StorageUnavailable(f"{link} comes too slowly: the download was given up") from None
        except httpx.TimeoutException as error:
            raise StorageUnavailable(f"{link} gave no answer in time ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise StorageUnavailable(f"{link} broke off: {_why(error)}") from error

    def _wire(self) -> httpx.AsyncHTTPTransport:
        """One request, one answer. No proxy, which would resolve the name itself; no cookies, .netrc or redirects."""
        if self._trust is None:
            self._trust = httpx.create_ssl_context()
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        return httpx.AsyncHTTPTransport(verify=self._trust, trust_env=False, limits=limits)

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
        """Sends the request to the first address that can be connected to."""
        failed: httpx.ConnectError | httpx.ConnectTimeout | None = None
        for address in await self._addresses(link):
            try:
                async with asyncio.timeout(self._patience.stall):
                    return await wire.handle_async_request(self._request(link, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise StorageUnavailable(f"{link} is out of reach: {_why(failed)}") from failed

    def _request(self, link: Link, address: str) -> httpx.Request:
        stall, connect = self._patience.stall, self._patience.connect
        return httpx.Request(
            "GET",
            link.pinned(address),
            headers={"Host": link.authority, "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "chronos"},
            extensions={"sni_hostname": link.host, "timeout": httpx.Timeout(stall, connect=connect).as_dict()},
        )

    async def _addresses(self, link: Link) -> list[str]:
        """Addresses of the link's host, all of them checked.

        Raises:
            OutsideStore: it has one that nobody may connect to. StorageUnavailable: it has none now.
        """
        if link.scheme != "https" and not self._allow_own:
            raise OutsideStore(f"{link} is outside the store: only https links are followed")
        try:
            async with asyncio.timeout(self._patience.stall):
                found = await self._resolve(link.host, link.port)
        except (OSError, UnicodeError) as error:
            raise StorageUnavailable(f"the name {link.host} cannot be resolved ({_why(error)})") from error
        for address in found:
            if why := refusal(address, allow_own=self._allow_own):
                raise OutsideStore(
                    f"{link} is outside the store: {link.host} leads to an address that is {why}; "
                    "CHRONOS_ALLOW_PRIVATE_ADDRESSES allows those of your own network"
                )
        return found

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


def _why(error: BaseException | None) -> str:
    """The reason without addresses, which would tell a stranger about the network."""
    if error is None:
        return "it has no address"
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({inner.verify_message})"
        inner = inner.__cause__ or inner.__context__
    return getattr(error, "strerror", None) or type(error).__name__
