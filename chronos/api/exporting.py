"""What people take away of a video: its words as a file, its chapters."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.responses import Response

from chronos import exporting
from chronos.api.forms import Form
from chronos.api.problems import RESPONSES
from chronos.api.reading import Name
from chronos.api.resources import Has, Reading, whose
from chronos.export_formats import KINDS, Format, chapter_to_json, file_name

router = APIRouter(prefix="/v1", tags=["videos"], responses=RESPONSES)

FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A file.", "content": {kind.media_type: {} for kind in KINDS.values()}}
}


class Chapter(Form):
    start_seconds: float
    end_seconds: float
    title: str


class Chapters(Form):
    chapters: list[Chapter]


@router.get("/videos/{creator}/{video}/export", response_class=Response, responses={**RESPONSES, **FILES})
async def export(
    has: Has,
    key: Reading,
    creator: Name,
    video: Name,
    kind: Annotated[
        Format, Query(alias="format", description="srt and vtt are captions; md and json have chapters.")
    ] = Format.SRT,
) -> Response:
    """A video's words as a file."""
    spoken, text = await exporting.export(has.pool, video, whose(key, creator), kind)
    name = file_name(spoken, kind)
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(text, headers={"Content-Disposition": disposition}, media_type=KINDS[kind].media_type)


@router.get("/videos/{creator}/{video}/chapters")
async def chapters(
    has: Has,
    key: Reading,
    creator: Name,
    video: Name,
    youtube: Annotated[bool, Query(description="Three at least, as YouTube wants them; else 409.")] = False,
) -> Chapters:
    """Where the subject changes: a guess from the vectors, each chapter named by its most telling words."""
    look = exporting.youtube if youtube else exporting.spoken
    found = await look(has.pool, video, whose(key, creator))
    return Chapters.model_validate({"chapters": [chapter_to_json(chapter) for chapter in found.chapters]})
