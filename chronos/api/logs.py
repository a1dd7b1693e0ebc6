"""The log over HTTP: its topics, their events decoded, all events of a video, and a run as a timeline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from chronos import app, browsing, queries, showing
from chronos.api import forms as pages
from chronos.api import system_forms as forms
from chronos.api import timeline
from chronos.api.problems import RESPONSES, Refused
from chronos.api.reading import Name
from chronos.api.resources import Has, Overseeing, Reading, whose
from chronos.broker import Broker
from schemas.topics import TOPICS
from streams.postgres import load_queries

PAGES = load_queries("projections.sql", "pages.sql")

LOG = "With what stands on the log, which takes a while to read; else what the journal knows, at once."

router = APIRouter(prefix="/v1", responses=RESPONSES)


@router.get("/log/topics", tags=["log"])
async def topics(has: Has, _: Overseeing) -> forms.Topics:
    """The topics that there are, with the first and the next offset of each partition."""
    spans = await asyncio.to_thread(lambda: Broker(app.cluster(has.settings)).spans())
    return forms.Topics(topics=[_topic(name, found) for name, found in spans.items()])


def _topic(name: str, spans: list[tuple[int, int]]) -> forms.Topic:
    return forms.Topic(
        topic=name,
        kind=TOPICS[name].kind,
        key=TOPICS[name].key,
        events=sum(next - first for first, next in spans),
        partitions=[forms.Span(partition=n, first=first, next=next) for n, (first, next) in enumerate(spans)],
    )


@router.get("/log/{topic}", tags=["log"])
async def events(
    has: Has,
    _: Overseeing,
    topic: Name,
    partition: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    offset: Annotated[int | None, Query(ge=0, le=2**62, description="From here on; without it the newest.")] = None,
    video: Annotated[str | None, Query(max_length=200, description="Only of this video, of whichever creator.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> forms.LogPage:
    """Events of a topic, decoded: the newest first, or from an offset of one partition on."""
    if offset is not None and partition is None:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "offset: it is of one partition: name that too")
    found = await browsing.page(has.settings, browsing.Wish(topic, partition, offset, video or None, limit))
    return _page(found)


@router.get("/videos/{creator}/{video}/events", tags=["videos"])
async def events_of_video(has: Has, key: Reading, creator: Name, video: Name) -> forms.LogPage:
    """All events of a video, the oldest first, with their places on the log."""
    mine = (whose(key, creator) or creator, video)
    found = await browsing.of_video(has.settings, has.pool, mine)
    if not found.seen:
        raise queries.NoSuchVideo(f"no video {video!r} of {creator!r} is known")
    return _page(found)


def _page(found: browsing.Page) -> forms.LogPage:
    return forms.LogPage(events=shown(found.seen), scanned=found.scanned, cut=found.cut, next=found.next)


def shown(seen: Iterable[browsing.Seen]) -> list[forms.LogEvent]:
    return [event(one) for one in seen]


def event(seen: browsing.Seen) -> forms.LogEvent:
    record, received = seen.record, seen.received
    said = received.event if received else None
    return forms.LogEvent(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=seen.at,
        key=None if record.key is None else showing.text(record.key.decode(errors="replace")),
        bytes=record.size(),
        event_id=received.id if received else None,
        run_id=received.run_id if received else None,
        cause_id=(received.cause_id or None) if received else None,
        function=(received.function.partition(" ")[0] or None) if received else None,
        creator_id=said.owner() if said else None,
        video_id=getattr(said, "video_id", None),
        payload=showing.payload(said) if said else None,
        problem=showing.text(seen.problem) if seen.problem else None,
    )


@router.get("/runs/{run_id}/trace", tags=["runs"])
async def trace(
    has: Has, key: Reading, run_id: UUID, log: Annotated[bool, Query(description=LOG)] = True
) -> forms.Timeline:
    """A run as a timeline, from its request to its last event: what each function did, paid, remembered and said."""
    row = await has.pool.fetchrow(PAGES["runs"], run_id, whose(key, None), None)
    if row is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"no run {run_id} is known")
    video = (row["creator_id"], row["video_id"])
    stages, trails, said = await asyncio.gather(
        has.pool.fetch(browsing.SQL["stages"], *video, run_id),
        has.pool.fetch(browsing.SQL["trails"], *video, run_id),
        browsing.of_video(has.settings, has.pool, video, str(run_id)) if log else _nothing(),
    )
    spends = await has.pool.fetch(browsing.SQL["spends"], [stage["input_id"] for stage in stages])
    shown = [(one, event(one)) for one in said.seen]
    drawn = timeline.draw(
        [dict(one) for one in stages], [dict(one) for one in spends], shown, [dict(one) for one in trails]
    )
    return forms.Timeline(run=pages.Run.of(row), stages=drawn.stages, others=drawn.others, cut=said.cut)


async def _nothing() -> browsing.Page:
    return browsing.Page([], 0, False)
