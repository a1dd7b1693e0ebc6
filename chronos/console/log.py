"""Pages of the log: its topics, the events of one, and one event with its coordinates and all that it says."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from chronos.api import logs
from chronos.api.resources import Has, Overseeing
from chronos.api.system_forms import LogEvent, LogPage, Span, Topic
from chronos.console.asked import OrEmpty
from chronos.console.rendering import page
from chronos.console.sessions import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LIMIT = 50  # events of a page
LETTERS = 200  # of what an event says, in a list: all of it is on the event's own page


class Asked(BaseModel):
    """Which part of the log."""

    topic: OrEmpty[str] = Field(None, max_length=200)
    partition: OrEmpty[int] = Field(None, ge=0, le=100_000)
    offset: OrEmpty[int] = Field(None, ge=0, le=2**62)
    video: OrEmpty[str] = Field(None, max_length=200)


@router.get("/log")
async def log(request: Request, has: Has, key: Overseeing, asked: Annotated[Asked, Query()]) -> Response:
    """The topics; or the newest events of one; or those from an offset on, the first of them with all that it says."""
    topics = (await logs.topics(has, key)).topics
    if asked.topic is None:
        return page(request, "topics.html", topics=topics)
    found = await logs.events(has, key, asked.topic, asked.partition, asked.offset, asked.video, LIMIT)
    topic = next(one for one in topics if one.topic == asked.topic)
    return page(
        request, "log.html", asked=asked, topic=topic, topics=topics, found=found,
        one=chosen(asked, found), older=older(asked, found, topic), brief=brief, written=written,
    )  # fmt: skip


def chosen(asked: Asked, found: LogPage) -> LogEvent | None:
    """The event at the very place that was asked for."""
    first = found.events[0] if found.events else None
    return first if first is not None and first.offset == asked.offset else None


def older(asked: Asked, found: LogPage, topic: Topic) -> int | None:
    """The offset from which the page before this one begins; in one partition alone there is such a thing."""
    if asked.partition is None:
        return None
    first = _span(topic, asked.partition).first
    here = asked.offset if asked.offset is not None else min((one.offset for one in found.events), default=first)
    return max(first, here - LIMIT) if here > first else None


def _span(topic: Topic, partition: int) -> Span:
    return next(span for span in topic.partitions if span.partition == partition)


def brief(payload: dict[str, Any]) -> str:
    """What an event says, in one line."""
    said = json.dumps(payload, ensure_ascii=False, default=str)
    return said if len(said) <= LETTERS else f"{said[:LETTERS]} …"


def written(payload: dict[str, Any]) -> str:
    """All of it."""
    return json.dumps(payload, ensure_ascii=False, default=str, indent=2)
