"""Speech to text through OpenAI's API: one segment a call, with times where the model gives them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openai import AsyncOpenAI, OpenAIError

from agents.ports import Segment, SpeechBlocked, SpeechBusy, SpeechRefused, SpeechUnavailable
from chronos.adapters import heard
from chronos.adapters.openai_client import PROVIDER, Conditions, fault, nonsense, rest, understood
from chronos.adapters.sound import cut
from schemas.transcription import TranscriptSegment
from streams.stage import Answer

_SPEECH = Conditions("speech", SpeechRefused, SpeechUnavailable, SpeechBusy, SpeechBlocked)


@dataclass(frozen=True)
class Ability:
    """What a family of models can be asked for. Its parameters are part of a paid result's key."""

    parameters: Mapping[str, Any]
    language: Literal["language", "languages"] = "language"


_TIMED = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
_PLAIN = {"response_format": "json"}

ABILITIES: tuple[tuple[str, Ability], ...] = (
    (r"whisper", Ability(_TIMED)),
    (r"^gpt-4o-transcribe-diarize", Ability(_PLAIN | {"chunking_strategy": "auto"})),  # required above 30 s
    (r"^gpt-transcribe", Ability(_PLAIN, "languages")),
    (r"", Ability(_PLAIN)),
)
"""By the model's name; the first pattern found in it counts. Source: openai's TranscriptionCreateParams."""


class OpenAiSpeech:
    """Hears segments. Times are ours, from where the sound was cut; a model's own times refine them."""

    usage: Literal["audioSeconds"] = "audioSeconds"

    def __init__(
        self,
        client: AsyncOpenAI,
        model: str,
        *,
        micro_usd_per_minute: Mapping[str, int],
        sound: Callable[[Segment], bytes] = cut,
    ) -> None:
        """A model without a price costs nothing: it runs at home."""
        self.model = model
        self.provider = client.base_url.host
        self._client = client
        self._price = micro_usd_per_minute.get(model, 0)
        self._sound = sound
        self._ability = next(ability for pattern, ability in ABILITIES if re.search(pattern, model))

    async def close(self) -> None:
        """Closes the connections to the provider."""
        await self._client.close()

    def key(self, segment: Segment) -> str:
        """See streams.stage.PaidCall. By the place in the source, not by the bytes that an encoder made of it."""
        place = [segment.source_sha256, round(segment.start * 1000), round(segment.end * 1000)]
        asked = ["speech", PROVIDER, self.model, language(segment.language), dict(self._ability.parameters), *place]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def quote(self, arguments: Sequence[Segment]) -> tuple[float, int]:
        """See streams.stage.PaidCall. By the length of the sound, as it is billed."""
        seconds = sum(round(segment.end - segment.start, 3) for segment in arguments)
        return seconds, round(seconds * self._price / 60)

    async def __call__(self, arguments: Sequence[Segment]) -> list[Answer]:
        """See streams.stage.PaidCall. There is one argument: the API takes one file a call."""
        (segment,) = arguments
        content, pause = await self._ask(segment)
        answer = understood(content, _SPEECH)
        if not isinstance(answer.get("text"), str):
            raise nonsense(f"no text, but {sorted(answer)[:10]}", _SPEECH)
        seconds, cost = self.quote(arguments)
        result = json.dumps(answer, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        return [Answer(result, seconds, cost, pause)]

    def hear(self, segment: Segment, result: bytes) -> tuple[list[TranscriptSegment], str | None]:
        """See agents.ports.Speech."""
        answer = json.loads(result)
        return heard.passages(answer, segment.start, segment.end), heard.language(answer) or language(segment.language)

    async def _ask(self, segment: Segment) -> tuple[bytes, float]:
        """The answer's body, and for how many seconds the provider wants no more."""
        parameters = dict(self._ability.parameters)
        if spoken := language(segment.language):
            parameters[self._ability.language] = [spoken] if self._ability.language == "languages" else spoken
        sound = await asyncio.to_thread(self._sound, segment)
        try:
            response = await self._client.audio.transcriptions.with_raw_response.create(
                file=("segment.wav", sound, "audio/wav"), model=self.model, **parameters
            )
        except OpenAIError as error:
            raise fault(error, _SPEECH) from error
        return bytes(response.content), rest(response.headers)


def language(hint: str | None) -> str | None:
    """A producer's hint as ISO 639-1, or None where it is none: a wrong hint must not fail a video."""
    match = re.fullmatch(r"([A-Za-z]{2})([-_][A-Za-z0-9_-]+)?", (hint or "").strip())
    return match[1].lower() if match else None
