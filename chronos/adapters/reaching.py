"""Requests to hosts that others have named. They cannot make a worker reach what only the worker can reach.

The name is resolved once, every address it has is checked, and the connection goes to one that was checked: a second
look-up could answer otherwise (DNS rebinding). Host header, SNI and certificate stay by name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

import httpx

from chronos.adapters.addresses import refusal
from chronos.adapters.links import Link

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives all addresses of a host, in the order in which they are to be tried. Raises OSError."""


class Forbidden(Exception):
    """It leads to an address that nobody may connect to."""


class OutOfReach(Exception):
    """Its name cannot be resolved now, or nothing answers at its addresses."""


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))


class Reach:
    """Asks where one may."""

    def __init__(
        self, *, allow_own: bool = False, resolver: Resolve = resolve, trust: ssl.SSLContext | None = None
    ) -> None:
        """
        Args:
            allow_own: addresses of one's own network as well.
            trust: whose certificates are believed; the usual ones (and SSL_CERT_FILE) if absent.
        """
        self.allow_own = allow_own
        self._resolve, self._trust = resolver, trust

    def wire(self) -> httpx.AsyncHTTPTransport:
        """One request, one answer. No proxy, which would resolve the name itself; no cookies, .netrc or redirects."""
        if self._trust is None:
            self._trust = httpx.create_ssl_context()
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        return httpx.AsyncHTTPTransport(verify=self._trust, trust_env=False, limits=limits)

    async def ask(
        self, wire: httpx.AsyncHTTPTransport, link: Link, request: Callable[[str], httpx.Request], within: float
    ) -> httpx.Response:
        """The beginning of the answer to a request that is made for an address: for the first that can be connected to.

        Raises:
            Forbidden, OutOfReach. TimeoutError: connected, and nothing came within so many seconds.
        """
        failed: httpx.ConnectError | httpx.ConnectTimeout | None = None
        for address in await self._addresses(link, within):
            try:
                async with asyncio.timeout(within):
                    return await wire.handle_async_request(request(address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise OutOfReach(f"{link} is out of reach: {reason(failed)}") from failed

    async def _addresses(self, link: Link, within: float) -> list[str]:
        """Addresses of the link's host, all of them checked."""
        try:
            async with asyncio.timeout(within):
                found = await self._resolve(link.host, link.port)
        except (OSError, UnicodeError) as error:
            raise OutOfReach(f"the name {link.host} cannot be resolved ({reason(error)})") from error
        for address in found:
            if why := refusal(address, allow_own=self.allow_own):
                raise Forbidden(
                    f"{link.host} leads to an address that is {why}; "
                    "CHRONOS_ALLOW_PRIVATE_ADDRESSES allows those of your own network"
                )
        return found


def reason(error: BaseException | None) -> str:
    """Why, without addresses, which would tell a stranger about the network."""
    if error is None:
        return "it has no address"
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({inner.verify_message})"
        inner = inner.__cause__ or inner.__context__
    return getattr(error, "strerror", None) or type(error).__name__
