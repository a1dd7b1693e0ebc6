"""The page that searches: hits by video, each with the second at which it can be played, and why it is one."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from chronos import searching
from chronos.api.reading import Creator
from chronos.api.resources import Has, Reading, whose
from chronos.console.rendering import page
from chronos.console.sessions import PageRoute
from chronos.searching import Hit

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/search")
async def search(
    request: Request, has: Has, key: Reading, q: Annotated[str, Query(max_length=1000)] = "", creator: Creator = None
) -> Response:
    """The best passages, those of one video together, in the order of each video's best."""
    words = q.strip()
    found = await searching.find(has.pool, has.embedders, words, whose(key, creator or None), 20) if words else []
    return page(request, "search.html", q=q, creator=creator, videos=by_video(found), count=len(found))


def by_video(hits: list[Hit]) -> list[list[Hit]]:
    """Hits of one video together; videos and hits keep their order."""
    first = {(hit.creator_id, hit.video_id): n for n, hit in reversed(list(enumerate(hits)))}
    ordered = sorted(hits, key=lambda hit: first[hit.creator_id, hit.video_id])
    return [list(some) for _, some in groupby(ordered, lambda hit: (hit.creator_id, hit.video_id))]
