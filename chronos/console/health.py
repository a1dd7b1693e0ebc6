"""The page of the system's health: whether it is ready, and what doctor finds, with the remedy of each fault."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from chronos.api import looking
from chronos.api.resources import Has, Overseeing
from chronos.console.rendering import page
from chronos.console.sessions import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/health")
async def health(request: Request, has: Has, key: Overseeing) -> Response:
    """Looks at every part anew; a part that is silent takes some six seconds."""
    found, ready = await asyncio.gather(looking.examined(has, key), looking.readiness(has, Response()))
    return page(request, "health.html", found=found, ready=ready)
