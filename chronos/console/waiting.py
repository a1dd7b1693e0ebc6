"""A page that was told of a change waits until the tables have it: it is never older than what it answers to."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from chronos.api import sending
from chronos.api.resources import Has

HEADER = "chronos-after"


async def _caught_up(request: Request, has: Has) -> None:
    """Waits for the place that the request names; a topic of no projection is not waited for."""
    topic, _, place = request.headers.get(HEADER, "").partition("/")
    partition, _, offset = place.partition("/")
    if topic in has.topic_ids and partition.isdecimal() and offset.isdecimal():
        await sending.until_folded(has, topic, int(partition), int(offset))


CaughtUp = Annotated[None, Depends(_caught_up)]
