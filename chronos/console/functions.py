"""The page of the functions: what each reads, how far it is behind, how long it takes, and the pipeline's picture."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from chronos.api import looking
from chronos.api.resources import Has, Overseeing
from chronos.console.drawing import picture
from chronos.console.rendering import page
from chronos.console.sessions import PageRoute
from chronos.graph import graph

router = APIRouter(route_class=PageRoute, include_in_schema=False)

GRAPH = graph()
PICTURE = picture(GRAPH)  # of the code, which does not change while it runs


@router.get("/functions")
async def functions(request: Request, has: Has, key: Overseeing) -> Response:
    """All of them, as the code declares them and as they do."""
    found = await looking.functions(has, key)
    return page(request, "functions.html", functions=found.functions, graph=GRAPH, picture=PICTURE)
