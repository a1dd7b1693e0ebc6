"""How each speech model answers, and what it refuses, by OpenAI's documents: what the double says beside its words."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from chronos.devstack.local_ai.answers import Problem
from chronos.devstack.local_ai.server import Service, Transcribing

ROUTE = "/v1/audio/transcriptions"
UNKNOWN = "somebody-elses-model"
"""A model of a compatible server, of which nobody knows more than its name."""

DIARIZE = "gpt-4o-transcribe-diarize"
UNCUT = 30.0
"""Seconds that gpt-4o-transcribe-diarize takes without being told how to cut."""

ANSWERS = {
    "gpt-transcribe": {"json"},
    "whisper-1": {"json", "verbose_json", "text"},
    "gpt-4o-transcribe": {"json"},
    "gpt-4o-mini-transcribe": {"json"},
    DIARIZE: {"json", "text", "diarized_json"},
    UNKNOWN: {"json"},
}


class Asked(Transcribing):
    """With the fields that only some models take."""

    response_format: Literal["json", "verbose_json", "text", "diarized_json"] = "json"  # type: ignore[assignment]
    granularities: list[Literal["word", "segment"]] = Field([], alias="timestamp_granularities[]")
    languages: list[str] = Field([], alias="languages[]")
    chunking_strategy: str | None = None


def answer_as_each_model(app: FastAPI, service: Service) -> None:
    """Puts these manners before the route of the server, which knows Whisper's alone."""

    @app.post(ROUTE)
    async def transcriptions(asked: Annotated[Asked, Form(media_type="multipart/form-data")]) -> Response:
        if asked.model not in ANSWERS or asked.model == "whisper-1":
            return await service.transcribe(
                asked.model_copy(update={"granularities": asked.granularities or ["segment"]})
            )
        if problem := _refusal(asked):
            raise problem
        whole = {"response_format": "verbose_json", "granularities": ["segment"]}
        heard = await service.transcribe(asked.model_copy(update=whole))
        answer = json.loads(bytes(heard.body))
        if asked.model == DIARIZE and not asked.chunking_strategy and answer["duration"] > UNCUT:
            raise Problem(400, "chunking_strategy is required for diarization models", param="chunking_strategy")
        return JSONResponse(_answer(asked, answer), headers={"x-request-id": heard.headers["x-request-id"]})

    app.router.routes.insert(0, app.router.routes.pop())


def _refusal(asked: Asked) -> Problem | None:
    """What the documents say that this model does not support."""
    if asked.response_format not in ANSWERS[asked.model]:
        return Problem(400, f"{asked.response_format} is not supported by {asked.model}", param="response_format")
    if asked.granularities:
        return Problem(400, "times are only given in verbose_json", param="timestamp_granularities")
    if asked.prompt and asked.model in (DIARIZE, UNKNOWN):
        return Problem(400, f"prompt is not supported by {asked.model}", param="prompt")
    if asked.languages and asked.model != "gpt-transcribe":
        return Problem(400, f"languages is not supported by {asked.model}", param="languages")
    if asked.language and asked.languages:
        return Problem(400, "language and languages exclude each other", param="languages")
    return None


def _answer(asked: Asked, heard: dict[str, Any]) -> dict[str, Any]:
    if asked.model == UNKNOWN:
        return {"text": heard["text"]}
    seconds = {"type": "duration", "seconds": heard["duration"]}
    if asked.response_format == "diarized_json":
        parts = [_spoken(index, part) for index, part in enumerate(heard["segments"])]
        return {"task": "transcribe", **_of(heard, "duration", "text"), "segments": parts, "usage": seconds}
    if asked.model == "gpt-transcribe":
        return {"text": heard["text"], "languages": [{"code": "en"}], "usage": seconds}
    tokens = round(heard["duration"] * 10)
    used = {"type": "tokens", "input_tokens": tokens, "output_tokens": 5, "total_tokens": tokens + 5}
    return {"text": heard["text"], "usage": used}


def _spoken(index: int, part: dict[str, Any]) -> dict[str, Any]:
    """Two who take turns."""
    named = {"type": "transcript.text.segment", "id": f"seg_{index}", "speaker": "AB"[index % 2]}
    return named | _of(part, "start", "end", "text")


def _of(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names}
