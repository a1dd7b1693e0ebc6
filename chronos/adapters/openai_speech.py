"""Speech to text through OpenAI's API: one segment a call, with times where the model gives them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from openai import AsyncOpenAI, OpenAIError

from agents.ports import Segment, SpeechBlocked, SpeechBusy, SpeechRefused, SpeechUnavailable
from chronos.adapters import heard
from chronos.adapters.openai_client import PROVIDER, Conditions, fault, nonsense, rest, understood
from chronos.adapters.sound import cut
from chronos.guard import Guard
from chronos.languages import code as language
from chronos.models import SpeechModel, speech_model
from schemas.transcription import TranscriptSegment
from streams.stage import Answer

_SPEECH = Conditions("speech", SpeechRefused, SpeechUnavailable, SpeechBusy, SpeechBlocked)

CONTEXT = 400
"""Characters of what was said before. Whisper listens to the last 224 tokens of a prompt; more would be for nothing,
and of much less a name that was said a sentence ago is not in it."""


class OpenAiSpeech:
    """Hears segments. Times are ours, from where the sound was cut; a model's own times refine them."""

    usage: Literal["audioSeconds"] = "audioSeconds"

    def __init__(
        self,
        client: AsyncOpenAI,
        model: str,
        *,
        micro_usd_per_minute: Mapping[str, int],
        can: SpeechModel | None = None,
        context: bool = False,
        guard: Guard | None = None,
    ) -> None:
        """A model without a price costs nothing: it runs at home.

        Args:
            can: None: what is known of the model.
            context: calls are told how the one before ended, where the model takes that; see docs/decisions/0020.
        """
        self.model = model
        self.provider = client.base_url.host
        self._client = client
        self._price = micro_usd_per_minute.get(model, 0)
        self._can = can or speech_model(model)
        self._guard = guard or Guard()
        self.context = CONTEXT if context and self._can.prompt else 0

    async def close(self) -> None:
        """Closes the connections to the provider."""
        await self._client.close()

    def key(self, segment: Segment) -> str:
        """See streams.stage.PaidCall. By the place in the source, not by the bytes that an encoder made of it."""
        place = [segment.source_sha256, round(segment.start * 1000), round(segment.end * 1000)]
        asked = ["speech", PROVIDER, self.model, language(segment.language), self._can.parameters(), *place]
        asked += [{"track": segment.track}] if segment.track else []  # the first was the only one, once
        asked += [{"before": segment.before}] if segment.before else []
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
        spoken = heard.language(answer) or language(segment.language)
        timed = heard.passages(answer, segment.start, segment.end, call=segment.index + 1, guard=self._guard)
        return timed, spoken

    async def _ask(self, segment: Segment) -> tuple[bytes, float]:
        """The answer's body, and for how many seconds the provider wants no more."""
        parameters = self._parameters(segment)
        sound = await asyncio.to_thread(cut, segment)
        if len(sound) > self._can.largest:
            raise SpeechRefused(
                f"{self.model} takes {self._can.largest} bytes a call, and {segment.start:.0f} to {segment.end:.0f} s "
                f"are {len(sound)}: set a smaller `longest` in CHRONOS_CUTTING"
            )
        try:
            response = await self._client.audio.transcriptions.with_raw_response.create(
                file=("segment.wav", sound, "audio/wav"), model=self.model, **parameters
            )
        except OpenAIError as error:
            raise fault(error, _SPEECH) from error
        return bytes(response.content), rest(response.headers)

    def _parameters(self, segment: Segment) -> dict[str, Any]:
        """Beside file and model."""
        parameters = self._can.parameters()
        if (spoken := language(segment.language)) and self._can.language:
            parameters[self._can.language] = [spoken] if self._can.language == "languages" else spoken
        if segment.before:
            parameters["prompt"] = segment.before
        return parameters
