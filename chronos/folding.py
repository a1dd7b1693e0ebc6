"""The composition root of the projection: the log folded into the live tables, or into others for comparison."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from chronos.adapters import vectors
from chronos.adapters.serving import settling
from chronos.app import cluster, codec, projection_pool, topic_ids
from chronos.config import Settings
from chronos.pipeline import PROJECTION_GROUP, PROJECTIONS
from streams import postgres
from streams.journal import prepare
from streams.postgres import Pool
from streams.projector import Folding, Projector

log = structlog.get_logger()

INDEX_LOOK = 30.0  # seconds between looks whether a space has grown beyond exact search


async def folding(settings: Settings, pool: Pool, partitions: vectors.Partitions) -> Folding:
    """What folds the log into the tables that the pool's connections find."""
    ids = await topic_ids(settings)
    return Folding(
        group=PROJECTION_GROUP,
        pool=pool,
        projections=PROJECTIONS,
        codec=codec(ids),
        topic_ids=ids,
        settling=settling(),
        before=partitions.make,
    )


async def run_projection(settings: Settings, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
    """Folds the log into the live tables until `stop` is set."""
    async with projection_pool(settings) as pool:
        await prepare(pool)  # a wish to be elsewhere stands in the journal
        partitions = vectors.Partitions(settings.vector_index)
        folded = await folding(settings, pool, partitions)
        projector = Projector(folded, cluster(settings), session_timeout=settings.session_timeout)
        indexing = asyncio.create_task(_index_now_and_then(partitions, pool))
        try:
            await projector.run(stop, ready)
        finally:
            indexing.cancel()


async def _index_now_and_then(partitions: vectors.Partitions, pool: Pool) -> None:
    while True:
        await asyncio.sleep(INDEX_LOOK)
        try:
            await partitions.index_where_it_pays(pool)
        except (*postgres.AWAY, asyncpg.PostgresError) as error:
            log.warning("vector index", error=str(error))
