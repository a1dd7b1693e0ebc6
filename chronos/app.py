"""The composition root of whoever asks or sends: settings become broker, tables, store and embedder. It imports little,
so that a command answers at once; what works is put together in `working.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from chronos.config import Settings
from chronos.embedders import Embedders
from chronos.pipeline import FUNCTIONS
from chronos.sides import drop_schema, prepare_schema, projection_pool
from schemas.topics import TOPICS
from streams.codec import Codec
from streams.kafka import Cluster, Topics
from streams.reading import LogScan, committed
from streams.stage import Function

if TYPE_CHECKING:
    from chronos.adapters.routed_storage import RoutedStorage

__all__ = [
    "cluster",
    "codec",
    "drop_schema",
    "embedders",
    "lag",
    "partitions",
    "prepare_schema",
    "projection_pool",
    "store",
    "topic_ids",
    "total_lag",
]


def cluster(settings: Settings) -> Cluster:
    return Cluster(settings.kafka(), settings.kafka_security.librdkafka())


def store(settings: Settings) -> RoutedStorage:
    """The store of the settings, others that they name, and links of the hosts that they list.

    The store inside the home is made; one that was named and is not there is away.
    """
    if settings.storage_url is None:
        (settings.home / "store").mkdir(parents=True, exist_ok=True)
    from chronos import stores  # the clients take a while to import

    return stores.all_of(settings)


@asynccontextmanager
async def embedders(settings: Settings) -> AsyncIterator[Embedders]:
    """What embeds for each space, closed at the end."""
    made = Embedders(settings)
    try:
        yield made
    finally:
        await made.close()


async def topic_ids(settings: Settings) -> dict[str, tuple[str, int]]:
    """UUID and partitions of every topic.

    Raises:
        BrokerAway, TopicsMissing: with the remedy.
    """
    return await asyncio.to_thread(Topics(cluster(settings)).ids, TOPICS)


async def partitions(settings: Settings, names: Iterable[str]) -> dict[str, int]:
    """How many partitions topics have on the broker, in this order: they may have grown.

    Raises:
        BrokerAway, TopicsMissing: with the remedy.
    """
    names = list(names)
    ids = await asyncio.to_thread(Topics(cluster(settings)).ids, names)
    return {name: ids[name][1] for name in names}


def codec(ids: dict[str, tuple[str, int]]) -> Codec:
    return Codec({name: topic_id for name, (topic_id, _) in ids.items()})


async def total_lag(settings: Settings) -> int:
    """Events that some function has still to finish."""
    lags = await asyncio.gather(*(lag(settings, function) for function in FUNCTIONS))
    return sum(lags)


async def lag(settings: Settings, function: Function) -> int:
    """Events of its topics that a function has not finished."""
    counts = await partitions(settings, [event.name for event in function.consumes])
    ends = await asyncio.to_thread(LogScan(cluster(settings)).ends, counts)
    done = await asyncio.to_thread(committed, cluster(settings), function.group(), ends)
    return sum(max(0, high - done.get(place, low)) for place, (low, high) in ends.items())
