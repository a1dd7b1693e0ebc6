"""What the settings make of the functions: how they cut and chunk, whom they ask, and what of it fingerprints hold.
Plans and the server ask it too: Faust, numpy and the provider's client, 1.5 s together, are not imported with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents.chunker import Chunking, chunker
from agents.cutter import Cutting
from agents.send_webhooks import kind_of, send_webhooks
from chronos import prices, webhooks
from chronos.config import Settings
from chronos.guard import Guard
from chronos.models import speech_model
from streams.stage import Function

if TYPE_CHECKING:
    from chronos.adapters.openai_speech import OpenAiSpeech


class ModelOfEach:
    """Fulfils agents.ports.Hearing: one provider, and for each creator the model that the settings name."""

    def __init__(self, settings: Settings) -> None:
        from chronos.adapters.openai_client import connect

        self._settings = settings
        self._client = connect(settings.openai_base_url, settings.api_key(), settings.ai_timeout)
        models = {settings.speech(), *settings.creator_models.values()}
        self._speech = {model: self._made(model) for model in models}

    def of(self, creator_id: str) -> OpenAiSpeech:
        return self._speech[self._settings.speech(creator_id)]

    async def close(self) -> None:
        """Closes the connections to the provider."""
        await self._client.close()

    def _made(self, model: str) -> OpenAiSpeech:
        from chronos.adapters.openai_speech import OpenAiSpeech

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
