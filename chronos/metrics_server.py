"""A worker's own small server: /metrics for Prometheus, /live and /ready for whoever keeps it running."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chronos.api.keys import Keyring, KeysMissing, Scope, is_loopback, token_of
from chronos.config import Settings
from chronos.metering import Meter

HERE = ["localhost", "127.0.0.1", "[::1]"]


@dataclass(frozen=True)
class Address:
    """Where it listens."""

    host: str
    port: int


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The worker has handlers of its own, which uvicorn's would replace."""
        yield


class Pages:
    """What is answered. Metrics want a key that may read, where there are keys; whether it works is no secret."""

    def __init__(self, meter: Meter, keyring: Keyring) -> None:
        self._meter, self._keyring = meter, keyring
        self.is_ready = False

    async def metrics(self, request: Request) -> Response:
        token = token_of(request.headers.get("authorization", ""))
        if not self._keyring.is_empty():
            key = self._keyring.find(token, Scope.READ)
            if key is None or key.creator is not None:  # figures are about everybody's videos
                return PlainTextResponse(
                    "this needs a key that may read, of no one creator", HTTPStatus.UNAUTHORIZED,
                    {"WWW-Authenticate": "Bearer"},
                )  # fmt: skip
        return Response(await self._meter.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def live(self, request: Request) -> Response:
        """The event loop turns."""
        return PlainTextResponse("live")

    async def ready(self, request: Request) -> Response:
        if self.is_ready:
            return PlainTextResponse("ready")
        return PlainTextResponse("not yet: it waits for the broker, the database or its group", 503)


def keyring_of(settings: Settings, host: str) -> Keyring:
    """
    Raises:
        KeysMissing: it would listen beyond this machine, and nobody has a key that may read.
    """
    keyring = Keyring.of(settings.event_key, settings.reading_key, settings.operating_key)
    if not is_loopback(host) and not (settings.reading_key or settings.operating_key):
        raise KeysMissing(
            f"on {host} others can reach the metrics: set CHRONOS_READING_KEY (`chronos key` makes one), "
            "or leave --metrics-host at 127.0.0.1"
        )
    return keyring


@asynccontextmanager
async def served(settings: Settings, address: Address, meter: Meter) -> AsyncIterator[Callable[[], None]]:
    """Serves inside the block; gives what is to be called once the worker works.

    Raises:
        KeysMissing, OSError: it cannot listen there.
    """
    pages = Pages(meter, keyring_of(settings, address.host))
    guard = [Middleware(TrustedHostMiddleware, allowed_hosts=HERE)] if is_loopback(address.host) else []
    routes = [Route(f"/{page.__name__}", page) for page in (pages.metrics, pages.live, pages.ready)]
    config = uvicorn.Config(
        Starlette(routes=routes, middleware=guard), address.host, address.port,
        log_level="warning", ws="none", lifespan="off", server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    sock = socket.create_server((address.host, address.port), family=_family(address.host))
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))

    def ready() -> None:
        pages.is_ready = True

    try:
        yield ready
    finally:
        server.should_exit = True
        await serving


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
