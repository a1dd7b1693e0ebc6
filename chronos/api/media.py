"""A video's file, for a player: whole, or the part that it asks for (RFC 9110, one range)."""

from __future__ import annotations

import mimetypes
import re
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from agents.ports import ObjectMissing, OutsideStore, StorageBusy, StorageRefused, StorageUnavailable
from chronos import app
from chronos.api import reading
from chronos.api.problems import RESPONSES, Refused
from chronos.api.reading import Name
from chronos.api.resources import Has, Reading

RANGE = re.compile(r"bytes=(\d*)-(\d*)")

router = APIRouter(prefix="/v1", tags=["videos"], responses=RESPONSES)


@router.get("/videos/{creator}/{video}/media", response_class=StreamingResponse)
async def media(request: Request, has: Has, key: Reading, creator: Name, video: Name) -> Response:
    """The file that was transcribed, if it is in a store; what is behind a link is not handed on."""
    known = await reading.video(has, key, creator, video)
    if (path := known.storage_path) is None:
        raise Refused(HTTPStatus.NOT_FOUND, "this video was never asked for: it is in no store")
    store = app.store(has.settings)
    try:
        found = await store.look(path)
    except (ObjectMissing, OutsideStore) as error:
        raise Refused(HTTPStatus.NOT_FOUND, str(error)) from error
    except (StorageRefused, StorageUnavailable, StorageBusy) as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    wanted = request.headers.get("range")
    span = part(wanted, found.size)
    if span is None:
        return _not_there(found.size)
    headers = _headers(span, found.size, partial=bool(wanted and RANGE.fullmatch(wanted)))
    status = HTTPStatus.PARTIAL_CONTENT if "Content-Range" in headers else HTTPStatus.OK
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    blocks = store.part(path, found, *span) if found.size else iter(())
    return StreamingResponse(blocks, status, headers, kind)


def _headers(span: tuple[int, int], size: int, *, partial: bool) -> dict[str, str]:
    first, last = span
    headers = {"Accept-Ranges": "bytes", "Content-Disposition": "inline", "Content-Length": str(last - first + 1)}
    return headers | {"Content-Range": f"bytes {first}-{last}/{size}"} if partial else headers


def _not_there(size: int) -> Response:
    """For a part that the file does not reach."""
    return Response(
        status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers={"Content-Range": f"bytes */{size}"}
    )


def part(wanted: str | None, size: int) -> tuple[int, int] | None:
    """The first and the last byte that are wanted; all where no range is named, or one that we do not know. None where
    the file does not reach so far."""
    found = RANGE.fullmatch(wanted or "")
    if found is None or found[0] == "bytes=-":
        return 0, size - 1
    if not found[1]:  # the last so many
        return (max(0, size - int(found[2])), size - 1) if int(found[2]) else None
    first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    return (first, last) if first <= last else None
