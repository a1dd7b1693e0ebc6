"""Events in: one or many, by topic, checked before anything is sent."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Literal, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request

from chronos.api import forms
from chronos.api.problems import RESPONSES, Refused
from chronos.api.resources import Has, Resources, Sending
from schemas import people
from schemas.avro import Undecodable
from schemas.event import Event
from schemas.transcription import TranscribeRequested
from streams.postgres import load_queries

R = TypeVar("R")
SQL = load_queries("projections.sql", "pages.sql")
PATIENCE, LOOK = 5.0, 0.05  # seconds that a request may wait for the tables
REMEMBERED = "api/{}"  # the name of an answer in the journal's choices


async def only_json(request: Request) -> None:
    """
    Raises:
        Refused: 415. A form or a text, which any web page may have a browser send, is no event.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = request.headers.get("content-encoding", "identity").lower()
    if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        said = f"events are JSON, and this is {kind or 'of no type'}: send `Content-Type: application/json`"
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, said, {"Accept-Post": "application/json"})
    if packed != "identity":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"this is packed ({packed}): send it as it is")


router = APIRouter(tags=["events"], responses=RESPONSES, dependencies=[Depends(only_json)])

Wait = Annotated[Literal["projection"] | None, Query(description="Answer when the tables hold it, within 5 s.")]
Once = Annotated[
    str | None, Header(min_length=1, max_length=200, description="The same key again gives the first answer.")
]  # fmt: skip
ANY_JSON = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post("/v1/events/{topic:path}", status_code=HTTPStatus.ACCEPTED, openapi_extra=ANY_JSON)
async def send(
    topic: str, request: Request, has: Has, _: Sending, wait: Wait = None, idempotency_key: Once = None
) -> forms.Sent:
    """Sends one event to the topic of a command, e.g. transcribe.requested. Its run id is in the answer."""
    body = await request.body()
    event = read(topic, body)
    if idempotency_key is None:
        sent = await put(has, event)
    else:
        [sent] = await _once(has, idempotency_key, [Wish(idempotency_key, _digest(topic.encode() + body), event)])
    return await _folded(has, sent) if wait else sent


@router.post("/v1/events", status_code=HTTPStatus.ACCEPTED)
async def send_many(several: forms.Several, has: Has, _: Sending, idempotency_key: Once = None) -> list[forms.Sent]:
    """Sends many, in their order; none where one is wrong."""
    events = [_read_one(n, wanted) for n, wanted in enumerate(several.events)]
    if idempotency_key is None:
        return await _all(put(has, event) for event in events)
    digests = [_digest(wanted.model_dump_json().encode()) for wanted in several.events]
    pairs = enumerate(zip(digests, events, strict=True))
    wishes = [Wish(f"{idempotency_key}/{n}", digest, event) for n, (digest, event) in pairs]
    return await _once(has, idempotency_key, wishes)


@router.post(
    "/api/video/upload",
    status_code=HTTPStatus.ACCEPTED,
    deprecated=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": TranscribeRequested.model_json_schema()}},
        }
    },
)
async def upload(request: Request, has: Has, _: Sending) -> forms.Uploaded:
    """What producers of the old system call for a video that is in the store: it sends transcribe.requested."""
    event = people.from_json(TranscribeRequested.name, await request.body())
    assert isinstance(event, TranscribeRequested)
    sent = await put(has, event)
    return forms.Uploaded(**sent.model_dump(), video_id=event.video_id, creator_id=event.creator_id)


def read(topic: str, body: bytes) -> Event:
    """The command that a body is.

    Raises:
        Refused: there is no such topic; Undecodable: fields are missing or wrong.
    """
    name = people.topic_of(topic)
    if name not in people.EXAMPLES:
        raise Refused(HTTPStatus.NOT_FOUND, f"no topic {topic!r} takes events: {', '.join(people.EXAMPLES)} do")
    return people.from_json(name, body, extra="forbid")


def _read_one(n: int, wanted: forms.Wanted) -> Event:
    try:
        return read(wanted.topic, json.dumps(wanted.data).encode())
    except Undecodable as error:
        raise Undecodable(f"events.{n}: {error}") from error


async def put(has: Resources, event: Event) -> forms.Sent:
    """Puts an event on the log."""
    sent = await has.send.send(event)
    place = sent.place
    return forms.Sent(topic=place.topic, partition=place.partition, offset=place.offset, run_id=sent.run_id)


class Wish(NamedTuple):
    """An event that is to be sent once under a key, whatever its answer's way back."""

    key: str
    digest: str  # of what was asked for
    event: Event


async def _once(has: Resources, key: str, wishes: Sequence[Wish]) -> list[forms.Sent]:
    """One request at a time under a key; the answers are remembered, also by a server that is started anew. Only one
    that dies between the log and its memory lets a second event pass: it is processed, and pays for nothing.

    Raises:
        Refused: the key was used for something else, and nothing was sent.
    """
    async with has.keyed, has.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", REMEMBERED.format(key))
        known = await _all(_remembered(has, wish) for wish in wishes)
        return await _all(_sent(has, *pair) for pair in zip(wishes, known, strict=True))


async def _remembered(has: Resources, wish: Wish) -> forms.Sent | None:
    remembered = await has.journal.chosen(REMEMBERED.format(wish.key))
    return _answer(wish, remembered) if remembered else None


async def _sent(has: Resources, wish: Wish, known: forms.Sent | None) -> forms.Sent:
    if known:
        return known
    sent = await put(has, wish.event)
    said = json.dumps({"digest": wish.digest, "sent": sent.model_dump(mode="json")}).encode()
    return _answer(wish, await has.journal.choose(REMEMBERED.format(wish.key), said))


def _answer(wish: Wish, remembered: bytes) -> forms.Sent:
    said = json.loads(remembered)
    if said["digest"] != wish.digest:
        raise Refused(HTTPStatus.CONFLICT, f"Idempotency-Key {wish.key!r} was used for another event")
    return forms.Sent.model_validate(said["sent"])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def _all(asked: Iterable[Awaitable[R]]) -> list[R]:
    """All at once, begun in their order; an error comes when none is under way any more."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if not isinstance(one, BaseException)]


async def _folded(has: Resources, sent: forms.Sent) -> forms.Sent:
    return sent.model_copy(update={"folded": await until_folded(has, sent.topic, sent.partition, sent.offset)})


async def until_folded(has: Resources, topic: str, partition: int, offset: int) -> bool:
    """Waits, but not for ever, until the tables hold what stands at a place of the log."""
    deadline = time.monotonic() + PATIENCE
    while not await has.pool.fetchval(SQL["folded"], has.topic_ids[topic], partition, offset):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK)
    return True
