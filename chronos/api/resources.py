"""What a request works with, and who may make it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Header, Request
from starlette.responses import Response

from chronos import app, operations
from chronos.api.background import Operations
from chronos.api.keys import Key, Keyring, Scope, token_of
from chronos.api.pace import Pace
from chronos.api.problems import Refused
from chronos.changes import NAMES, Change, decoder
from chronos.config import Settings
from chronos.embedders import Embedders
from chronos.sending import Sender, sender
from streams.journal import Journal, prepare
from streams.postgres import Pool
from streams.tail import Tail

CONNECTIONS = 8
PATIENCE = 5.0  # seconds for the broker to take an event: who waits longer sends it again, and has it twice
OPEN = Key(b"")  # where no key is needed
COOKIE = "chronos_keys"  # where the console keeps the keys of who uses it, quoted, with colons between


@dataclass(frozen=True)
class Resources:
    """Opened once for a server."""

    settings: Settings
    pool: Pool
    journal: Journal
    embedders: Embedders
    send: Sender
    topic_ids: dict[str, str]
    keyring: Keyring
    tail: Tail[Change]
    pace: Pace
    operations: Operations = field(default_factory=Operations)
    keyed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS // 2))
    """For those who hold a connection while they wait for another: half of them stay for the others."""


@asynccontextmanager
async def opened(settings: Settings, keyring: Keyring, pace: Pace) -> AsyncIterator[Resources]:
    ids = await app.topic_ids(settings)
    async with (
        app.projection_pool(settings, most=CONNECTIONS) as pool,
        app.embedders(settings) as embedders,
        sender(app.cluster(settings), ids, "api", PATIENCE) as send,
    ):
        await prepare(pool)
        by_name = {name: topic_id for name, (topic_id, _) in ids.items()}
        tail = Tail(app.cluster(settings), {name: ids[name] for name in NAMES}, decoder(app.codec(ids)))
        await tail.start()
        opened = Resources(settings, pool, Journal(pool), embedders, send, by_name, keyring, tail, pace)
        try:
            yield opened
        finally:
            await opened.operations.close()
            await tail.close()


def resources(request: Request) -> Resources:
    found: Resources = request.app.state.resources
    return found


Has = Annotated[Resources, Depends(resources)]


def allowed(scope: Scope) -> Callable[[Request, Response], Awaitable[Key]]:
    """Gives the key of a request that opens a scope, and counts the request.

    Raises:
        Refused: 401 without a key, 403 with a wrong one, 429 where it was one too many.
    """

    async def check(request: Request, response: Response) -> Key:
        has, shown = resources(request), tokens(request)
        found = [OPEN] if has.keyring.is_empty() else [key for one in shown if (key := has.keyring.find(one, scope))]
        who = next((key.digest.hex() for key in found if key is not OPEN), _address(request))
        response.headers.update(await has.pace.take(scope, who))
        if found:
            return found[0]
        if shown:
            raise Refused(HTTPStatus.FORBIDDEN, f"this key may not {scope}")
        detail = f"this needs a key that may {scope}: send it as `Authorization: Bearer KEY`"
        raise Refused(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})

    return check


def _address(request: Request) -> str:
    """What counts where no key does, so that nobody can try keys without end."""
    return request.client.host if request.client else "nowhere"


def tokens(request: Request) -> list[str]:
    """The keys that a request shows: a program's in its header, the console's in its cookie."""
    if shown := request.headers.get("authorization"):
        return [token] if (token := token_of(shown)) else []
    return [unquote(one) for one in request.cookies.get(COOKIE, "").split(":") if one]


Sending = Annotated[Key, Depends(allowed(Scope.SEND))]
Reading = Annotated[Key, Depends(allowed(Scope.READ))]


async def _unbound(key: Reading) -> Key:
    """
    Raises:
        Refused: the key shows one creator's videos, and this is about everybody's.
    """
    if key.creator is not None:
        raise Refused(HTTPStatus.FORBIDDEN, f"this is about all creators, and this key shows {key.creator!r} alone")
    return key


async def _operator(
    key: Annotated[Key, Depends(allowed(Scope.OPERATE))],
    chronos_operator: Annotated[
        str | None, Header(min_length=1, max_length=100, description="Who acts: it goes on the log beside the key.")
    ] = None,
) -> str:
    """Who acts, for the log.

    Raises:
        Refused: the key is bound to one creator, and what operators do is not.
    """
    if key.creator is not None:
        raise Refused(HTTPStatus.FORBIDDEN, f"this key is bound to {key.creator!r}: it may not operate")
    if key is OPEN:
        return f"{chronos_operator or operations.operator()} by HTTP"
    return f"{chronos_operator or 'somebody'} by HTTP, key {key.digest.hex()[:8]}"


Operating = Annotated[str, Depends(_operator)]
Overseeing = Annotated[Key, Depends(_unbound)]


def whose(key: Key, creator: str | None) -> str | None:
    """The creator whose videos are meant: a bound key sees no others.

    Raises:
        Refused: another one's were asked for.
    """
    if key.creator is not None and creator not in (None, key.creator):
        raise Refused(HTTPStatus.FORBIDDEN, f"this key shows the videos of {key.creator!r} alone")
    return key.creator or creator
