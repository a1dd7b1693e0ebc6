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
from chronos.sides import group_of, sides
from chronos.sides import prepare as prepare_sides
from streams import postgres
from streams.journal import prepare
from streams.member import Projector
from streams.postgres import Pool
from streams.projector import Folding

log = structlog.get_logger()

SIDES_LOOK = 1.0  # seconds between looks which sides are live
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
    """Folds the log into every live side until `stop` is set. Sides come and go while it runs."""
    await prepare_sides(settings)
    async with projection_pool(settings, most=1) as pool:
        await prepare(pool)  # a wish to be elsewhere stands in the journal
        following = _Following(settings, stop, ready)
        try:
            while not stop.is_set():
                await following.follow(await _live(pool, following.schemas()))
                if ended := await following.wait(SIDES_LOOK):
                    following.judge(ended, await _live(pool, following.schemas()))
        finally:
            await following.follow(set())


async def _live(pool: Pool, before: set[str]) -> set[str]:
    """The live sides; while the database is away, those that were. Never patient: a stop must not wait for it."""
    try:
        return {side.schema for side in await sides(pool) if side.state == "live"}
    except postgres.AWAY:
        return before


class _Following:
    """A projector for each live side, and for no other."""

    def __init__(self, settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        self._settings, self._stop, self._ready = settings, stop, ready
        self._stopping = asyncio.create_task(stop.wait())
        self._at_work: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}

    def schemas(self) -> set[str]:
        return set(self._at_work)

    async def follow(self, schemas: set[str]) -> None:
        """Begins what is missing and ends what is too much: within the time for work to end, then at once."""
        for schema in schemas - self._at_work.keys():
            enough = asyncio.Event()
            self._at_work[schema] = enough, asyncio.create_task(self._project(schema, enough))
        for schema in self._at_work.keys() - schemas:
            enough, task = self._at_work.pop(schema)
            enough.set()
            await asyncio.wait([task], timeout=self._settings.drain)
            task.cancel()  # it waits for a database that is away
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                log.info("a side is gone", schema=schema, error=str(error))

    async def wait(self, seconds: float) -> set[str]:
        """Until it is time to look again; gives the sides whose projector ended by itself."""
        tasks = [task for _, task in self._at_work.values()]
        await asyncio.wait([*tasks, self._stopping], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return {schema for schema, (_, task) in self._at_work.items() if task.done()}

    def judge(self, ended: set[str], live: set[str]) -> None:
        """What a live side's projector ended with is our end too, unless the database was away: then it begins anew.
        A side that was dropped under it is gone."""
        for schema in ended & live:
            _, task = self._at_work.pop(schema)
            if not isinstance(task.exception(), postgres.AWAY):
                task.result()

    def _first_ready(self) -> None:
        ready, self._ready = self._ready, lambda: None
        ready()

    async def _project(self, schema: str, enough: asyncio.Event) -> None:
        async with projection_pool(self._settings, schema=schema) as pool:
            partitions = vectors.Partitions(self._settings.vector_index)
            folded = await folding(self._settings, pool, partitions)
            timeout = self._settings.session_timeout
            projector = Projector(folded, cluster(self._settings), group_of(schema), session_timeout=timeout)
            indexing = asyncio.create_task(_index_now_and_then(partitions, pool))
            try:
                await projector.run(enough, self._first_ready)
            finally:
                indexing.cancel()


async def _index_now_and_then(partitions: vectors.Partitions, pool: Pool) -> None:
    while True:
        await asyncio.sleep(INDEX_LOOK)
        try:
            await partitions.index_where_it_pays(pool)
        except (*postgres.AWAY, asyncpg.PostgresError) as error:
            log.warning("vector index", error=str(error))
