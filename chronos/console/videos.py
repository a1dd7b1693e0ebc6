"""Pages of videos: the list, one with its player and transcript, and a run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from chronos.adapters.links import is_link
from chronos.api import exporting, forms, logs, reading
from chronos.api.reading import Creator, Name
from chronos.api.resources import Has, Reading
from chronos.console import tracing
from chronos.console.log import brief as said
from chronos.console.log import written
from chronos.console.rendering import SHAPES, page, segment
from chronos.console.sessions import PageRoute
from chronos.console.waiting import CaughtUp
from chronos.export_formats import Format
from chronos.queries import NoSuchVideo

router = APIRouter(route_class=PageRoute, include_in_schema=False)

EVENTS = 100  # of a video, on a page
STEPS = 25  # of a function, on the page of a run

Chosen = Annotated[str | None, Query(max_length=20)]  # a form's empty choice is one too


@router.get("/videos")
async def videos(
    request: Request, has: Has, key: Reading, _: CaughtUp, creator: Creator = None, status: Chosen = None,
    cursor: str | None = None,
) -> Response:  # fmt: skip
    """All videos, the newest first."""
    wanted = status if status in SHAPES else None
    found = await reading.videos(has, key, creator or None, wanted, cursor)  # type: ignore[arg-type]  # a word of SHAPES
    stream = f"/v1/changes?creator={segment(key.creator or creator)}" if key.creator or creator else "/v1/changes"
    return page(request, "videos.html", found=found, creator=creator, status=wanted, words=SHAPES, stream=stream)


@router.get("/videos/{creator}/{video}")
async def video(request: Request, has: Has, key: Reading, creator: Name, video: Name, _: CaughtUp) -> Response:
    """One video: its words, its runs, what it cost."""
    known = await reading.video(has, key, creator, video)
    runs, chunks, usage, transcript, chapters = await asyncio.gather(
        reading.runs(has, key, creator, video),
        reading.chunks(has, key, creator, video),
        reading.video_usage(has, key, creator, video),
        _transcript(has, key, creator, video),
        _chapters(has, key, creator, video),
    )
    return page(
        request, "video.html", video=known, runs=runs.runs, chunks=chunks.chunks, usage=usage.usage,
        transcript=transcript, chapters=chapters, formats=list(Format),
        playable=known.storage_path is not None and not is_link(known.storage_path),
    )  # fmt: skip


async def _transcript(has: Has, key: Reading, creator: str, video: str) -> forms.Transcript | None:
    try:
        return await reading.transcript(has, key, creator, video)
    except NoSuchVideo:  # no transcript yet
        return None


async def _chapters(has: Has, key: Reading, creator: str, video: str) -> list[exporting.Chapter]:
    try:
        return (await exporting.chapters(has, key, creator, video)).chapters
    except NoSuchVideo:  # no transcript yet
        return []


@router.get("/videos/{creator}/{video}/events")
async def events(request: Request, has: Has, key: Reading, creator: Name, video: Name, _: CaughtUp) -> Response:
    """All that was said of a video, with its places on the log."""
    found = await logs.events_of_video(has, key, creator, video)
    return page(
        request, "events.html", creator=creator, video=video, events=found.events[-EVENTS:], count=len(found.events),
        cut=found.cut, brief=brief, written=written,
    )  # fmt: skip


@router.get("/runs/{run_id}")
async def run(
    request: Request, has: Has, key: Reading, run_id: UUID, _: CaughtUp, log: bool = False
) -> Response:  # fmt: skip
    """A run, from the request to its ending. What stands on the log takes a while: the page asks for it once it is
    there."""
    known, trace = await asyncio.gather(reading.run(has, key, run_id), logs.trace(has, key, run_id, log))
    return page(
        request, "run.html", run=known.run, usage=known.usage, cost=_cost(known.usage), others=trace.others,
        cut=trace.cut, whole=log, drawn=tracing.picture(trace, datetime.now(UTC)), most=STEPS, brief=brief,
        written=written,
    )  # fmt: skip


def brief(payload: dict[str, Any]) -> str:
    """What an event says, in one line, on a page that says already of which video it is."""
    return said({name: value for name, value in payload.items() if name not in ("videoId", "creatorId")})


def _cost(usage: list[Any]) -> int:
    return sum(one.cost_micro_usd for one in usage if not one.memoized)
