"""Events in: one or many, by topic, checked before anything is sent."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request

from chronos.api import forms
from chronos.api.problems import RESPONSES, Refused
from chronos.api.resources import Has, Resources, Sending
from schemas import people
from schemas.avro import Undecodable
from schemas.event import Event
from schemas.transcription import TranscribeRequested
from streams.postgres import load_queries

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
    sent = await _once(has, idempotency_key, topic.encode() + body, lambda: put(has, event))
    return await _folded(has, sent) if wait else sent


@router.post("/v1/events", status_code=HTTPStatus.ACCEPTED)
async def send_many(several: forms.Several, has: Has, _: Sending, idempotency_key: Once = None) -> list[forms.Sent]:
    """Sends many, in their order; none where one is wrong."""
    events = [_read_one(n, wanted) for n, wanted in enumerate(several.events)]
    answers = []
    for n, event in enumerate(events):
        key = f"{idempotency_key}/{n}" if idempotency_key else None
        content = several.events[n].model_dump_json().encode()
        answers.append(await _once(has, key, content, lambda event=event: put(has, event)))  # type: ignore[misc]
    return answers


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


async def _once(
    has: Resources, key: str | None, content: bytes, act: Callable[[], Awaitable[forms.Sent]]
) -> forms.Sent:
    """One request at a time under a key; the answer is remembered, also by a server that is started anew. Only one that
    dies between the log and its memory lets a second event pass: it is processed, and pays for nothing.

    Raises:
        Refused: the key was used for something else.
    """
    if key is None:
        return await act()
    name, digest = REMEMBERED.format(key), hashlib.sha256(content).hexdigest()
    async with has.keyed, has.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", name)
        if (remembered := await has.journal.chosen(name)) is None:
            sent = await act()
            said: dict[str, Any] = {"digest": digest, "sent": sent.model_dump(mode="json")}
            remembered = await has.journal.choose(name, json.dumps(said).encode())
    said = json.loads(remembered)
    if said["digest"] != digest:
        raise Refused(HTTPStatus.CONFLICT, f"Idempotency-Key {key!r} was used for another event")
    return forms.Sent.model_validate(said["sent"])


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
