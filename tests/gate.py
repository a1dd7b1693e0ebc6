"""A gate before a server: it hands requests on, and lets some of them go wrong as a test asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.web import Request

Wrong = Callable[["Passing"], Awaitable[None]]
Which = Callable[[Request], bool]


@dataclass
class Passing:
    """One request on its way."""

    request: Request
    raw: bytes
    upstream: int
    writer: asyncio.StreamWriter

    async def hand_on(self, most: int | None = None) -> None:
        """Gives the server's answer, or its head and `most` bytes of its body; then the connection is cut."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            writer.write(self.raw)
            self.writer.write(await reader.readuntil(b"\r\n\r\n"))
            left = most if most is not None else 1 << 60
            while left and (some := await reader.read(min(left, 1 << 16))):
                left -= len(some)
                self.writer.write(some)
                await self.writer.drain()
        finally:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()


@dataclass
class Gate:
    """Every request has a connection of its own. `requests` are those that came."""

    upstream: int
    requests: list[Request] = field(default_factory=list)
    wrongs: list[tuple[Which, Wrong]] = field(default_factory=list)
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None):
        self._server.close()
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        await self._server.wait_closed()

    def next(self, *wrongs: Wrong, which: Which = lambda _: True) -> None:
        """What happens to the next requests (of those that `which` means), each once, in this order."""
        self.wrongs += [(which, wrong) for wrong in wrongs]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.serving.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._pass(reader, writer)
        finally:
            self.serving.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
        if headers.get("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        kept = [one for one in rest if one.split(":")[0].lower() not in ("connection", "expect")]
        raw = "\r\n".join([line, *kept, "Connection: close", "", ""]).encode("latin-1") + body
        request = Request(line.split()[1], {**headers, ":method": line.split()[0]}, body)
        self.requests.append(request)
        passing = Passing(request, raw, self.upstream, writer)
        await self._wrong(request)(passing)
        await writer.drain()

    def _wrong(self, request: Request) -> Wrong:
        for at, (which, wrong) in enumerate(self.wrongs):
            if which(request):
                del self.wrongs[at]
                return wrong
        return Passing.hand_on


def reads(request: Request) -> bool:
    """Whether an object's content is asked for."""
    return request.headers[":method"] == "GET"


def cut(after: int) -> Wrong:
    """The connection breaks after so many bytes of the body."""

    async def wrong(passing: Passing) -> None:
        await passing.hand_on(after)

    return wrong


def answers(status: str, body: bytes = b"", **headers: str) -> Wrong:
    """The server is not even asked."""
    lines = {"content-length": str(len(body)), "connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}

    async def wrong(passing: Passing) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        passing.writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    return wrong


def meanwhile(do: Callable[[], Awaitable[object]], wrong: Wrong) -> Wrong:
    """Something happens, and then what else happens."""

    async def both(passing: Passing) -> None:
        await wrong(passing)
        await do()

    return both
