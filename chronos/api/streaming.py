"""Server-sent events, from the log: what happens to all videos, to one, or in one run, each once (decision 0018)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Header, Query
from starlette.responses import StreamingResponse

from chronos.api import change_forms, forms, reading
from chronos.api.problems import RESPONSES, Refused
from chronos.api.reading import Creator, Name
from chronos.api.resources import Has, Reading, Resources, whose
from chronos.changes import Change
from chronos.queries import NoSuchVideo
from streams.cursor import BadCursor, Offsets, Outdated
from streams.tail import Behind, TooSlow

PAUSE = 15.0  # seconds without a word: less than what proxies and balancers bear
RETRY = 1000  # ms until a browser that lost its stream comes again
PATIENCE, LOOK = 2.0, 0.1  # seconds that a run may take to be known

router = APIRouter(prefix="/v1", tags=["changes"], responses=RESPONSES)

Last = Annotated[str | None, Header(max_length=16_384, description="Where a stream that was cut off goes on.")]
After = Annotated[str | None, Query(max_length=16_384, description="The same, for who sets no headers.")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`status` where a run comes to another status, `fact` for all else that happens to one video; "
        "`reset` where something was missed and has to be read anew. The data is a Change.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
Wants = Callable[[Change], bool]


@router.get("/changes", response_class=StreamingResponse, responses=STREAM)
async def changes(
    has: Has, key: Reading, creator: Creator = None, after: After = None, last_event_id: Last = None
) -> StreamingResponse:
    """Each new status of any video's run, or of one creator's."""
    mine = whose(key, creator)
    return _stream(has, lambda one: one.status is not None and mine in (None, one.creator_id), last_event_id or after)


@router.get("/videos/{creator}/{video}/changes", response_class=StreamingResponse, responses=STREAM)
async def video_changes(
    has: Has, key: Reading, creator: Name, video: Name, after: After = None, last_event_id: Last = None
) -> StreamingResponse:
    """All that happens to a video, also to one that is not known yet."""
    me = (whose(key, creator), video)
    return _stream(has, lambda one: (one.creator_id, one.video_id) == me, last_event_id or after)


@router.get("/runs/{run_id}/changes", response_class=StreamingResponse, responses=STREAM)
async def run_changes(
    has: Has, key: Reading, run_id: UUID, after: After = None, last_event_id: Last = None
) -> StreamingResponse:
    """All that happens in a run. One that was just asked for is waited for."""
    start = _start(has, last_event_id or after)
    if start.offsets is None:
        start = start._replace(offsets=dict(has.tail.next))  # as it is before the run is looked for
    run = await _run(has, key, run_id)
    me = (run.creator_id, run.video_id, str(run_id))
    return _following(has, lambda one: (one.creator_id, one.video_id, one.run_id) == me, start)


async def _run(has: Resources, key: Reading, run_id: UUID) -> forms.Run:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return (await reading.run(has, key, run_id)).run
        except (Refused, NoSuchVideo):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(LOOK)


def _stream(has: Resources, wants: Wants, cursor: str | None) -> StreamingResponse:
    return _following(has, wants, _start(has, cursor))


class Start(NamedTuple):
    """Where a stream begins (None: now), and why a client has to read anew what it shows."""

    offsets: Offsets | None = None
    reset: str | None = None


def _start(has: Resources, cursor: str | None) -> Start:
    """
    Raises:
        Refused: it is no cursor.
    """
    if not cursor:
        return Start()
    try:
        return Start(has.tail.cursors.read(cursor))
    except Outdated as error:
        return Start(reset=str(error))
    except BadCursor as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def _following(has: Resources, wants: Wants, start: Start) -> StreamingResponse:
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_events(has, wants, start), headers=headers, media_type="text/event-stream")


async def _events(has: Resources, wants: Wants, start: Start) -> AsyncIterator[str]:
    yield f"retry: {RETRY}\n\n"
    if start.reset:
        yield _reset(start.reset)
    try:
        async for one, cursor in has.tail.follow(wants, start.offsets, PAUSE):
            yield _event(one, cursor)
    except TooSlow:
        return  # it comes again with its cursor
    except Behind as error:
        yield _reset(str(error))
        async for one, cursor in has.tail.follow(wants, None, PAUSE):
            yield _event(one, cursor)


def _reset(reason: str) -> str:
    return f"event: reset\ndata: {change_forms.Reset(reason=reason).model_dump_json()}\n\n"


def _event(one: Change | None, cursor: str) -> str:
    """One event. Without one: a word that keeps the connection, and the cursor of a client that waits, fresh."""
    if one is None:
        return f"id: {cursor}\n\n"
    said = change_forms.Change.model_validate(one, from_attributes=True).model_dump_json()
    return f"id: {cursor}\nevent: {'status' if one.status else 'fact'}\ndata: {said}\n\n"
