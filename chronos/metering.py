"""What Prometheus reads from a process: what it has counted (streams/metrics.py), and how far behind its groups are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from prometheus_client import generate_latest

from chronos.app import cluster, partitions
from chronos.broker import Broker, Ends
from chronos.config import Settings
from chronos.pipeline import EVENTS, PROJECTION_GROUP
from chronos.sides import active_group, one_connection
from schemas.event import Coordinates
from streams import metrics
from streams.kafka import BrokerAway, TopicsMissing
from streams.postgres import AWAY, NoTable
from streams.reading import committed, oldest
from streams.stage import Function

KEEP = 10.0  # seconds for which a look holds: some requests to the broker for each group, however many scrape
PATIENCE = 5.0  # seconds for broker and database each; Prometheus gives up after ten


class Meter:
    """Looks at most once in ten seconds at the groups of the given functions, and at the projection's where wanted."""

    def __init__(self, settings: Settings, functions: Sequence[Function], *, projection: bool) -> None:
        self._settings, self._functions, self._projection = settings, functions, projection
        self._looking = asyncio.Lock()
        self._next = 0.0

    async def exposition(self) -> bytes:
        """All metrics in Prometheus' text form. Lags are left out while the broker is away."""
        async with self._looking:
            if time.monotonic() >= self._next:
                await self._look()
                self._next = time.monotonic() + KEEP
        return generate_latest()

    async def _look(self) -> None:
        projection = await self._active_projection()
        groups = [(one.group(), [event.name for event in one.consumes]) for one in self._functions]
        if self._projection and projection:
            groups.append((projection, [event.name for event in EVENTS]))
        metrics.LAG_EVENTS.clear()
        metrics.LAG_SECONDS.clear()
        try:
            counts = await partitions(self._settings, {topic for _, topics in groups for topic in topics})
            ends = await asyncio.to_thread(Broker(cluster(self._settings)).ends, counts)
            await asyncio.gather(*(asyncio.to_thread(self._measure, *group, ends) for group in groups))
        except (BrokerAway, TopicsMissing):
            metrics.BROKER_UP.set(0)
        else:
            metrics.BROKER_UP.set(1)

    async def _active_projection(self) -> str | None:
        """The group of the side that readers look at; None while the database is away."""
        try:
            async with asyncio.timeout(PATIENCE), one_connection(self._settings) as connection:
                metrics.DATABASE_UP.set(1)
                return await active_group(connection)
        except NoTable:
            return PROJECTION_GROUP
        except AWAY:
            metrics.DATABASE_UP.set(0)
            return None

    def _measure(self, group: str, topics: Sequence[str], ends: Ends) -> None:
        where = cluster(self._settings)
        mine = {place: end for place, end in ends.items() if place[0] in topics}
        done = committed(where, group, mine, PATIENCE)
        behind = {place: done.get(place, 0) for place, end in mine.items() if end > done.get(place, 0)}
        waiting = [Coordinates(topic=t, partition=n, offset=at) for (t, n), at in behind.items()]
        written = oldest(where, waiting) if waiting else None
        metrics.LAG_EVENTS.labels(group).set(sum(mine[place] - at for place, at in behind.items()))
        metrics.LAG_SECONDS.labels(group).set(0 if written is None else max(0.0, time.time() - written / 1000))
