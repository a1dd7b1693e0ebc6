"""The server: its routes, who may reach it, and how it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from socket import socket
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import uvicorn
from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chronos import asyncapi
from chronos.api import (
    budgets,
    exporting,
    forms,
    letters,
    logs,
    looking,
    measured,
    media,
    operating,
    problems,
    reading,
    registry,
    resources,
    rewinds,
    sending,
    streaming,
    usage,
)
from chronos.api.keys import Keyring, KeysMissing, is_loopback
from chronos.api.pace import Pace
from chronos.api.resources import Has
from chronos.config import Settings
from chronos.console import router
from chronos.metering import Meter
from chronos.pipeline import FUNCTIONS
from schemas.people import MAX_BYTES
from streams import tracing
from streams.postgres import AWAY

LAST = 10  # seconds for answers that are under way when it stops
LARGEST = 16 * MAX_BYTES  # bytes of a body: many events at once

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

SAFE = ("GET", "HEAD", "OPTIONS")


def keyring_of(settings: Settings, host: str) -> Keyring:
    """
    Raises:
        KeysMissing: it would listen beyond this machine, and scopes have no keys. BadKey.
    """
    keyring = Keyring.of(settings.event_key, settings.reading_key, settings.operating_key)
    if not is_loopback(host) and (missing := keyring.missing()):
        names = {"send": "CHRONOS_EVENT_KEY", "read": "CHRONOS_READING_KEY", "operate": "CHRONOS_OPERATING_KEY"}
        raise KeysMissing(
            f"on {host} others can reach this: set {', '.join(names[scope] for scope in missing)} "
            "(`chronos key` makes one), or listen on 127.0.0.1"
        )
    return keyring


def create_app(settings: Settings, host: str = "127.0.0.1") -> FastAPI:
    """The app. On loopback it answers only who calls it by a name of this machine (against DNS rebinding)."""
    keyring = keyring_of(settings, host)
    pace = Pace.of(settings, open_to_all=keyring.is_empty())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with resources.opened(settings, keyring, pace) as opened:
            app.state.resources = opened
            yield

    app = FastAPI(
        title="Chronos",
        version=version("chronos"),
        description="From a video to words that are found at their second.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.meter = Meter(settings, FUNCTIONS, projection=True)
    problems.register(app)
    for part in (
        sending, reading, usage, budgets, exporting, media, streaming, registry, looking, logs, letters, operating,
        rewinds, measured,
    ):  # fmt: skip
        app.include_router(part.router)
    router.include(app)
    app.add_api_route(
        "/v1/health", health, tags=["health"], responses={503: {"model": forms.Health}, **problems.RESPONSES}
    )
    app.add_api_route("/v1/asyncapi.json", topics, tags=["documents"])

    app.add_middleware(Guard, only_here=is_loopback(host))
    return app


class Guard:
    """Lets in what may come, and says to browsers what they may do with the answers."""

    def __init__(self, app: ASGIApp, only_here: bool) -> None:
        self._app, self._only_here = app, only_here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        go_on: ASGIApp = refused(Request(scope), self._only_here) or self._app
        with tracing.below([(name.decode("latin-1"), value) for name, value in scope["headers"]]):
            await go_on({**scope, "path": _path(scope)}, receive, with_headers)


def _path(scope: Scope) -> str:
    """The path, in which a slash that is part of an id stands as NUL, which no id has: see `reading.Name`."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return unquote(raw.decode("ascii", "replace").replace("%2F", "%00").replace("%2f", "%00"))


def refused(request: Request, only_here: bool) -> Response | None:
    """The answer to a request that goes no further."""
    if only_here and not is_loopback(_named(request)):
        return problems.answer(HTTPStatus.MISDIRECTED_REQUEST, "this server is localhost, and nothing else")
    if b"%00" in (request.scope.get("raw_path") or b""):
        return problems.answer(HTTPStatus.NOT_FOUND, "nothing has a NUL in its name")
    if request.method not in SAFE and _is_from_elsewhere(request):
        return problems.answer(HTTPStatus.FORBIDDEN, "a page of another site may change nothing here")
    if "%00" in request.url.query:
        return problems.answer(HTTPStatus.UNPROCESSABLE_ENTITY, "the address holds a NUL, which no name here has")
    size = request.headers.get("content-length", "0")
    if request.method == "POST" and not (size.isdigit() and "content-length" in request.headers):
        return problems.answer(HTTPStatus.LENGTH_REQUIRED, "say how long the body is: Content-Length")
    if int(size if size.isdigit() else 0) > LARGEST:
        return problems.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {LARGEST:,} bytes")
    return None


def _is_from_elsewhere(request: Request) -> bool:
    """Whether a browser sends it for a page of another origin: they say so, programs say nothing."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _named(request: Request) -> str:
    """The host by whose name it was called, without the port."""
    host = request.headers.get("host", "")
    return host if host.endswith("]") else host.rsplit(":", 1)[0]


async def health(has: Has, response: Response) -> forms.Health:
    """Whether the tables answer; `chronos doctor` says more."""
    checks = {"database": "ok"}
    try:
        await has.pool.fetchval("SELECT 1")
    except AWAY as error:
        checks["database"] = type(error).__name__
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return forms.Health(ok=all(said == "ok" for said in checks.values()), checks=checks)


async def topics() -> dict[str, Any]:
    """The topics as an AsyncAPI 3 document: for those who speak to Kafka itself."""
    return asyncapi.document()


class _Server(uvicorn.Server):
    """Says when it listens, and ends the streams when it stops: they would go on for ever."""

    def __init__(self, app: FastAPI, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._ready = app, ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await self._app.state.resources.tail.close()
        await super().shutdown(sockets)


async def serve(settings: Settings, host: str, port: int, ready: Callable[[], None] = lambda: None) -> None:
    """Serves until it is told to stop."""
    app = create_app(settings, host)
    config = uvicorn.Config(
        app, host, port, log_level="warning", ws="none", server_header=False, timeout_graceful_shutdown=LAST
    )
    await _Server(app, config, ready).serve()
