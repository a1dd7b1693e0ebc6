"""A video's file, for a player: whole, or the part that it asks for (RFC 9110, one range)."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import BinaryIO

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from agents.ports import ObjectMissing, OutsideStore
from chronos import app
from chronos.adapters.links import is_link
from chronos.api import reading
from chronos.api.problems import RESPONSES, Refused
from chronos.api.reading import Name
from chronos.api.resources import Has, Reading

BLOCK = 256 * 1024
RANGE = re.compile(r"bytes=(\d*)-(\d*)")

router = APIRouter(prefix="/v1", tags=["videos"], responses=RESPONSES)


@router.get("/videos/{creator}/{video}/media", response_class=StreamingResponse)
async def media(request: Request, has: Has, key: Reading, creator: Name, video: Name) -> Response:
    """The file that was transcribed, if it is in the store; what is behind a link is not handed on."""
    known = await reading.video(has, key, creator, video)
    path = known.storage_path
    if path is None or is_link(path):
        raise Refused(
            HTTPStatus.NOT_FOUND, "this video is behind a link, or was never asked for: it is not in the store"
        )
    try:
        file = await asyncio.to_thread(app.store(has.settings).open, path)
    except (ObjectMissing, OutsideStore) as error:
        raise Refused(HTTPStatus.NOT_FOUND, str(error)) from error
    return served(file, mimetypes.guess_type(path)[0] or "application/octet-stream", request.headers.get("range"))


def served(file: BinaryIO, kind: str, wanted: str | None) -> Response:
    """Closes the file when it is sent."""
    size = os.fstat(file.fileno()).st_size
    headers = {"Accept-Ranges": "bytes", "Content-Disposition": "inline"}
    span = part(wanted, size)
    if span is None:
        file.close()
        return Response(
            status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers={"Content-Range": f"bytes */{size}"}
        )
    first, last = span
    headers["Content-Length"] = str(last - first + 1)
    status = HTTPStatus.OK
    if wanted and RANGE.fullmatch(wanted):
        status, headers["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, f"bytes {first}-{last}/{size}"
    return StreamingResponse(_blocks(file, first, last), status, headers, kind)


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


async def _blocks(file: BinaryIO, first: int, last: int) -> AsyncIterator[bytes]:
    with file:
        await asyncio.to_thread(file.seek, first)
        left = last - first + 1
        while left and (block := await asyncio.to_thread(file.read, min(BLOCK, left))):
            left -= len(block)
            yield block
