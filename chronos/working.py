"""The composition root of what works: settings become adapters, and adapters a worker of functions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from agents.chunker import Chunking, chunker
from agents.cutter import Cutting
from agents.send_webhooks import kind_of, send_webhooks
from chronos import prices, webhooks
from chronos.adapters.catalogue import ProjectedCatalogue
from chronos.adapters.faust_login import faust_settings
from chronos.adapters.log_notifier import LogNotifier
from chronos.adapters.log_transcripts import LogTranscripts
from chronos.adapters.media import Limits, PyAvMedia
from chronos.adapters.openai_client import connect as connect_openai
from chronos.adapters.openai_speech import OpenAiSpeech
from chronos.adapters.projected_spaces import ProjectedSpaces
from chronos.adapters.reaching import Reach
from chronos.adapters.scratch import DirectoryScratch
from chronos.adapters.webhooks import HttpWebhooks
from chronos.app import cluster, codec, embedders, projection_pool, store, topic_ids
from chronos.config import Settings
from chronos.embedders import Embedders
from chronos.guard import Guard
from chronos.models import speech_model
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


class ModelOfEach:
    """Fulfils agents.ports.Hearing: one provider, and for each creator the model that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect_openai(settings.openai_base_url, settings.api_key(), settings.ai_timeout)
        models = {settings.speech(), *settings.creator_models.values()}
        self._speech = {model: self._made(model) for model in models}

    def of(self, creator_id: str) -> OpenAiSpeech:
        return self._speech[self._settings.speech(creator_id)]

    async def close(self) -> None:
        """Closes the connections to the provider."""
        await self._client.close()

    def _made(self, model: str) -> OpenAiSpeech:
        return OpenAiSpeech(
            self._client,
            model,
            micro_usd_per_minute=prices.per_minute(self._settings),
            can=speech_model(model, self._settings.speech_abilities),
            context=self._settings.speech_context,
            guard=Guard(**self._settings.guard),
        )


def cutting(settings: Settings) -> Cutting:
    return Cutting(**settings.cutting)


def chunking(settings: Settings) -> Chunking:
    return Chunking(**settings.chunking)


def shape(settings: Settings, function: Function) -> str:
    """The settings that shape a function's results, as text: they are a part of its fingerprint."""
    shapes = {
        "transcribe-video": " ".join([settings.speech(), repr(cutting(settings)), *_heard_otherwise(settings)]),
        "generate-embeddings": chunker(chunking(settings)),  # the spaces are chosen for each run
        send_webhooks.name: webhooks.shape(settings.webhooks),
    }
    return shapes.get(function.name, "")


def _heard_otherwise(settings: Settings) -> Iterable[str]:
    """What few set. Where it is not set, a fingerprint is what it was before there was such a thing."""
    if settings.creator_models:
        yield f"by creator {sorted(settings.creator_models.items())}"
    if settings.speech_abilities:
        yield f"abilities {json.dumps(settings.speech_abilities, sort_keys=True)}"
    if settings.guard:
        yield repr(Guard(**settings.guard))
    if settings.speech_context:
        yield "one after the other"


def fitted(settings: Settings, function: Function) -> Function:
    """A function as the settings want it: what no receiver wants to hear of is no work of send-webhooks."""
    if function is not send_webhooks:
        return function

    def accepts(event: Any) -> bool:
        kind, creator = kind_of(event), event.creator_id
        return kind is not None and any(endpoint.wants(kind, creator or "") for endpoint in settings.webhooks)

    return replace(function, accepts=accepts)


def staff(
    settings: Settings, functions: Iterable[Function], read_codec: Codec, projected: Pool, embedding: Embedders
) -> list[Staff]:
    """Each function with the adapters that it asks for by name, and with what shapes its results."""
    adapters: dict[str, object] = {
        "scratch": DirectoryScratch(settings.home.resolve() / "scratch"),
        "storage": store(settings),
        "media": PyAvMedia(Limits(), cutting(settings)),
        "hearing": ModelOfEach(settings),
        "spaces": ProjectedSpaces(projected, embedding),
        "chunking": chunking(settings),
        "transcripts": LogTranscripts(LogReader(cluster(settings)), read_codec, Eraser(projected)),
        "catalogue": ProjectedCatalogue(projected),
        "notifier": LogNotifier(),
        "erasure": Eraser(projected),
        "webhooks": HttpWebhooks(settings.webhooks, Reach(allow_own=settings.allow_private_addresses)),
    }
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
