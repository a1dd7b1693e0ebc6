"""The composition root: settings become adapters, adapters become workers. Nothing else knows all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg
import structlog

from agents.chunker import DEFAULT, chunker
from agents.cutter import Cutting
from chronos.adapters import vectors
from chronos.adapters.catalogue import ProjectedCatalogue
from chronos.adapters.file_storage import FileStorage
from chronos.adapters.log_notifier import LogNotifier
from chronos.adapters.log_transcripts import LogTranscripts
from chronos.adapters.media import Limits, PyAvMedia
from chronos.adapters.openai_client import connect as connect_openai
from chronos.adapters.openai_embedder import OpenAiEmbedder
from chronos.adapters.openai_speech import OpenAiSpeech
from chronos.adapters.scratch import DirectoryScratch
from chronos.adapters.serving import settling
from chronos.config import MICRO_USD_PER_MILLION_TOKENS, MICRO_USD_PER_MINUTE, Settings
from chronos.pipeline import FUNCTIONS, PROJECTION_GROUP, PROJECTION_SCHEMA, PROJECTIONS
from chronos.sending import sender
from chronos.spaces import ensure_space
from schemas.topics import PARTITIONS, TOPICS
from streams import postgres
from streams.codec import Codec
from streams.faust_worker import WorkerSettings
from streams.kafka import Cluster, Topics
from streams.postgres import Pool
from streams.projector import Folding, Projector
from streams.reading import LogReader, LogScan
from streams.stage import Function
from streams.worker import Staff, Worker

log = structlog.get_logger()

INDEX_LOOK = 30.0  # seconds between looks whether a space has grown beyond exact search


def cluster(settings: Settings) -> Cluster:
    return Cluster(settings.kafka())


def speech(settings: Settings) -> OpenAiSpeech:
    client = connect_openai(settings.openai_base_url, settings.api_key(), settings.ai_timeout)
    prices = {**MICRO_USD_PER_MINUTE, **settings.speech_prices}
    return OpenAiSpeech(client, settings.speech(), micro_usd_per_minute=prices)


def embedder(settings: Settings) -> OpenAiEmbedder:
    client = connect_openai(settings.openai_base_url, settings.api_key(), settings.ai_timeout)
    prices = {**MICRO_USD_PER_MILLION_TOKENS, **settings.embedding_prices}
    return OpenAiEmbedder(
        client, settings.embedding(), settings.dimensions(), micro_usd_per_million_tokens=prices
    )  # fmt: skip


def store(settings: Settings) -> FileStorage:
    """The store of the settings. The one inside the home is made; one that was named and is not there is away."""
    if settings.storage_url is None:
        (settings.home / "store").mkdir(parents=True, exist_ok=True)
    return FileStorage.from_url(settings.storage())


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[OpenAiEmbedder]:
    """An embedder for questions, closed at the end."""
    made = embedder(settings)
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


def codec(ids: dict[str, tuple[str, int]]) -> Codec:
    return Codec({name: topic_id for name, (topic_id, _) in ids.items()})


@asynccontextmanager
async def projection_pool(settings: Settings, *, most: int = 4, schema: str = PROJECTION_SCHEMA) -> AsyncIterator[Pool]:
    """Connections that find the projection's tables, which are made where they are missing."""
    await prepare_schema(settings, schema)
    pool = await postgres.connect(
        settings.database(), most=most, search_path=f"{schema}, public", init=vectors.register
    )  # fmt: skip
    try:
        yield pool
    finally:
        await pool.close()


async def prepare_schema(settings: Settings, schema: str) -> None:
    """Makes a schema with the projection's tables, where they are missing. `schema` is a name of ours."""
    tables = files("projections.sql").joinpath("tables.sql").read_text()
    pool = await postgres.connect(settings.database(), most=1)
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('chronos.schema'))")
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            await connection.execute(f'SET LOCAL search_path TO "{schema}", public')
            await connection.execute(tables)
    finally:
        await pool.close()


async def drop_schema(settings: Settings, schema: str) -> None:
    """Drops a schema of ours with all its tables."""
    pool = await postgres.connect(settings.database(), most=1)
    try:
        await pool.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE', timeout=None)
    finally:
        await pool.close()


async def total_lag(settings: Settings) -> int:
    """Events that some function has still to finish."""
    lags = await asyncio.gather(*(lag(settings, function) for function in FUNCTIONS))
    return sum(lags)


async def lag(settings: Settings, function: Function) -> int:
    """Events of its topics that a function has not finished."""
    partitions = {event.name: PARTITIONS for event in function.consumes}
    ends = await asyncio.to_thread(LogScan(cluster(settings)).ends, partitions)
    committed = await asyncio.to_thread(Topics(cluster(settings)).committed, function.group())
    return sum(max(0, high - committed.get(place, low)) for place, (low, high) in ends.items())


def staff(settings: Settings, functions: Iterable[Function], read_codec: Codec, projected: Pool) -> list[Staff]:
    """Each function with the adapters that it asks for by name, and with what shapes its results."""
    cutting = Cutting()
    adapters: dict[str, object] = {
        "scratch": DirectoryScratch(settings.home.resolve() / "scratch"),
        "storage": store(settings),
        "media": PyAvMedia(Limits(), cutting),
        "speech": speech(settings),
        "embedder": embedder(settings),
        "chunking": DEFAULT,
        "transcripts": LogTranscripts(LogReader(cluster(settings)), read_codec),
        "catalogue": ProjectedCatalogue(projected),
        "notifier": LogNotifier(),
    }
    shapes = {
        "transcribe-video": f"{settings.speech()} {cutting!r}",
        "generate-embeddings": f"{settings.embedding()}/{settings.dimensions()} {chunker(DEFAULT)}",
    }
    return [Staff(f, {port: adapters[port] for port in f.ports}, shapes.get(f.name, "")) for f in functions]


async def run_worker(
    settings: Settings, functions: Iterable[Function], stop: asyncio.Event, ready: Callable[[], None] = lambda: None
) -> None:
    """Runs functions until `stop` is set."""
    ids = await topic_ids(settings)
    pool = await postgres.connect(settings.database(), most=6)
    try:
        async with projection_pool(settings, most=2) as projected:
            async with sender(cluster(settings), ids, "worker") as send:
                await ensure_space(projected, send, settings.embedding(), settings.dimensions())
            worker = Worker(
                staff(settings, functions, codec(ids), projected),
                cluster=cluster(settings),
                pool=pool,
                consumers=_consumers(settings),
                lease=settings.lease,
                parallel_calls=settings.parallel_calls,
                max_wait=settings.max_wait,
            )
            await worker.run(stop, ready)
    finally:
        await pool.close()


def _consumers(settings: Settings) -> WorkerSettings:
    return WorkerSettings(
        bootstrap=settings.kafka(),
        security={},
        session_timeout=settings.session_timeout,
        heartbeat=settings.session_timeout / 3.3,
        drain=settings.drain,
        instance_id=settings.worker_id,
    )


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
        partitions = vectors.Partitions(settings.vector_index)
        folded = await folding(settings, pool, partitions)
        projector = Projector(folded, cluster(settings), session_timeout=settings.session_timeout)
        indexing = asyncio.create_task(_index_now_and_then(partitions, pool))
        try:
            await projector.run(stop, ready)
        finally:
            indexing.cancel()


async def run(
    settings: Settings,
    functions: Sequence[Function],
    projection: bool,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Runs functions, the projection, or both in this process. The first that fails stops the other."""
    parts = []
    if functions:
        parts.append(run_worker(settings, functions, stop, (lambda: None) if projection else ready))
    if projection:
        parts.append(run_projection(settings, stop, ready))
    tasks = [asyncio.create_task(part) for part in parts]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.gather(*tasks)


async def _index_now_and_then(partitions: vectors.Partitions, pool: Pool) -> None:
    while True:
        await asyncio.sleep(INDEX_LOOK)
        try:
            await partitions.index_where_it_pays(pool)
        except (*postgres.AWAY, asyncpg.PostgresError) as error:
            log.warning("vector index", error=str(error))


def functions_named(names: Iterable[str]) -> list[Function]:
    """Functions by name.

    Raises:
        KeyError: names what there is.
    """
    known = {function.name: function for function in FUNCTIONS}
    for name in names:
        if name not in known:
            raise KeyError(f"no function is named {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names]
