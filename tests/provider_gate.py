"""The gate of the tests' provider: where calls are counted, and where they meet the faults that a test asked for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chronos.devstack.local_ai.answers import Problem, error
from chronos.devstack.local_ai.bill import Charge

ROUTES = {"/v1/audio/transcriptions": "audio", "/v1/embeddings": "embeddings"}
KEPT_HEADERS = ("authorization", "user-agent", "x-stainless-retry-count")
POLL = 0.02  # seconds between two looks at whether a hanging call may go

About = Callable[[str, bytes], tuple[str, ...]]  # what a call is about, from its kind and body

How = Literal["status", "hang", "cut", "nonsense"]


@dataclass
class Fault:
    """What is to go wrong with the next calls. `left` None: with all of them; `kind` None: on both routes."""

    how: How
    left: int | None
    kind: str | None
    status: int = 200
    retry_after: float | None = None
    code: str | None = None
    body: str = ""


@dataclass
class Call:
    """A call to a paid route. Times are seconds since 1970; without an end it is still in the air."""

    kind: str
    started: float
    headers: dict[str, str]
    fault: How | None = None
    ended: float | None = None
    status: int | None = None  # of what was sent; None: the connection was closed without an answer
    charge: Charge | None = field(default=None)
    about: tuple[str, ...] = ()
    gone: bool = False  # the caller had left before it was answered


def _nothing(kind: str, body: bytes) -> tuple[str, ...]:
    return ()


class Gate:
    """An ASGI app around the provider's. Faults are used up in the order in which they were asked for."""

    def __init__(self, app: ASGIApp, charges: Callable[[], list[Charge]], about: About = _nothing) -> None:
        self._app = app
        self._charges = charges
        self._about = about
        self._lock = threading.Lock()  # tests ask from their own thread
        self._faults: list[Fault] = []
        self._calls: list[Call] = []
        self._era = 0  # hanging calls of an older one may go
        self.seconds = 0.0

    def expect(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def calls(self) -> list[Call]:
        with self._lock:
            return [replace(call) for call in self._calls]

    def clear(self) -> None:
        with self._lock:
            self._faults, self._calls = [], []
            self.seconds = 0.0
        self.release()

    def forgive(self) -> None:
        """Forgets faults that were not used up, and lets hanging calls go. What was called and paid stays."""
        with self._lock:
            self._faults = []
        self.release()

    def release(self) -> None:
        """Lets all hanging calls go."""
        self._era += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = ROUTES.get(scope["path"]) if scope["type"] == "http" else None
        if kind is None:
            await self._app(scope, receive, send)
            return
        call, fault = self._arrived(kind, scope)
        body = await _read(receive)
        call.about = self._about(kind, body)
        leaving = asyncio.ensure_future(receive())

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.gone = leaving.done()
            await send(message)

        try:
            await asyncio.sleep(max(0.0, call.started + self.seconds - time.time()))  # what it took to come counts
            if fault and fault.how == "hang":
                await self._hang(leaving)
            else:
                await self._answer(call, fault, scope, _again(body, receive), tell)
        finally:
            leaving.cancel()
            call.ended = time.time()

    def _arrived(self, kind: str, scope: Scope) -> tuple[Call, Fault | None]:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        call = Call(kind, time.time(), {name: headers[name] for name in KEPT_HEADERS if name in headers})
        with self._lock:
            fault = self._next_fault(kind)
            call.fault = fault.how if fault else None
            self._calls.append(call)
        return call, fault

    def _next_fault(self, kind: str) -> Fault | None:
        for fault in self._faults:
            if fault.kind in (None, kind):
                if fault.left is not None:
                    fault.left -= 1
                if fault.left == 0:
                    self._faults.remove(fault)
                return fault
        return None

    async def _answer(self, call: Call, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        if fault and fault.how == "status":
            call.status = fault.status
            await _refusal(fault)(scope, receive, send)
            return
        start, body = await self._made_answer(scope, receive)
        call.status, call.charge = start["status"], self._charge_of(start)
        if fault and fault.how == "nonsense":
            call.status, body = 200, fault.body.encode()
            start = {**start, "status": 200, "headers": [(b"content-type", b"application/json")]}
        await send(start)
        if fault and fault.how == "cut":
            # Its length was promised, and half of it comes: uvicorn closes the connection behind an unfinished answer.
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            return
        await send({"type": "http.response.body", "body": body})

    async def _hang(self, leaving: asyncio.Future[Message]) -> None:
        """Until the caller leaves or is let go."""
        era = self._era
        while self._era == era and not leaving.done():
            await asyncio.wait([leaving], timeout=POLL)

    async def _made_answer(self, scope: Scope, receive: Receive) -> tuple[dict[str, Any], bytes]:
        """What the app answers, kept back until it is whole."""
        start: dict[str, Any] = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, keep)
        return start, b"".join(parts)

    def _charge_of(self, start: dict[str, Any]) -> Charge | None:
        name = dict(start["headers"]).get(b"x-request-id", b"").decode()
        return next((charge for charge in reversed(self._charges()) if charge.call == name), None)


async def _read(receive: Receive) -> bytes:
    """The request to its end, so that the caller has nothing left to send."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, then what comes behind it."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return left.pop() if left else await receive()

    return give


def _refusal(fault: Fault) -> JSONResponse:
    words = {400: "bad_request", 401: "invalid_api_key", 403: "forbidden", 404: "not_found", 429: "rate_limit_exceeded"}
    problem = Problem(fault.status, f"the test asked for a {fault.status}", code=fault.code or words.get(fault.status))
    headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    return JSONResponse(error(problem), fault.status, headers=headers)
