"""GET /metrics of the console, for Prometheus: how far behind all groups are, and what this process has counted."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from chronos.api.resources import Overseeing
from chronos.metering import Meter

router = APIRouter(include_in_schema=False)  # the form is Prometheus' own


@router.get("/metrics")
async def metrics(request: Request, _: Overseeing) -> Response:
    """All metrics in Prometheus' text form."""
    meter: Meter = request.app.state.meter
    return Response(await meter.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
