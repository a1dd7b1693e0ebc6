"""The composition root of what works: settings become adapters, and adapters a worker of functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from chronos.adapters.catalogue import ProjectedCatalogue
from chronos.adapters.faust_login import faust_settings
from chronos.adapters.log_notifier import LogNotifier
from chronos.adapters.log_transcripts import LogTranscripts
from chronos.adapters.media import Limits, PyAvMedia
from chronos.adapters.projected_spaces import ProjectedSpaces
from chronos.adapters.reaching import Reach
from chronos.adapters.scratch import DirectoryScratch
from chronos.adapters.webhooks import HttpWebhooks
from chronos.app import cluster, codec, embedders, projection_pool, store, topic_ids
from chronos.config import Settings
from chronos.embedders import Embedders
from chronos.fitting import ModelOfEach, chunking, cutting, fitted, shape
from chronos.sending import sender
from chronos.spaces import ensure_space
from streams import postgres
from streams.codec import Codec
from streams.erasing import Eraser
from streams.faust_worker import WorkerSettings
from streams.postgres import Pool
from streams.reading import LogReader
from streams.stage import Function
from streams.worker import Staff, Worker


def staff(
    settings: Settings, functions: Iterable[Function], read_codec: Codec, projected: Pool, embedding: Embedders
) -> list[Staff]:
    """Each function with the adapters that it asks for by name, and with what shapes its results."""
    makers: dict[str, Callable[[], object]] = {
        "scratch": lambda: DirectoryScratch(settings.home.resolve() / "scratch"),
        "storage": lambda: store(settings),
        "media": lambda: PyAvMedia(Limits(), cutting(settings)),
        "hearing": lambda: ModelOfEach(settings),
        "spaces": lambda: ProjectedSpaces(projected, embedding),
        "chunking": lambda: chunking(settings),
        "transcripts": lambda: LogTranscripts(LogReader(cluster(settings)), read_codec, Eraser(projected)),
        "catalogue": lambda: ProjectedCatalogue(projected),
        "notifier": lambda: LogNotifier(),
        "erasure": lambda: Eraser(projected),
        "webhooks": lambda: HttpWebhooks(settings.webhooks, Reach(allow_own=settings.allow_private_addresses)),
    }
    functions = list(functions)
    # what no function here asks for is not made: a worker that pays for nothing does without the provider's client
    adapters = {port: makers[port]() for port in {port for f in functions for port in f.ports}}
    return [
        Staff(fitted(settings, f), {port: adapters[port] for port in f.ports}, shape(settings, f)) for f in functions
    ]


async def run_worker(
    settings: Settings, functions: Iterable[Function], stop: asyncio.Event, ready: Callable[[], None] = lambda: None
) -> None:
    """Runs functions until `stop` is set."""
    ids = await topic_ids(settings)
    pool = await postgres.connect(settings.database(), most=6)
    try:
        async with projection_pool(settings, most=2) as projected, embedders(settings) as embedding:
            async with sender(cluster(settings), ids, "worker") as send:
                await ensure_space(settings, embedding, codec(ids), send)
            worker = Worker(
                staff(settings, functions, codec(ids), projected, embedding),
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
        security=faust_settings(settings.kafka_security),
        session_timeout=settings.session_timeout,
        heartbeat=min(1.0, settings.session_timeout / 3.3),
        drain=settings.drain,
        instance_id=settings.worker_id,
    )
