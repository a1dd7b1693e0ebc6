"""The shapes of OpenAI's answers: transcriptions, embeddings, models and errors."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from chronos.devstack.local_ai.models import Embedded, Heard, HeardSegment, HeardWord

Answer = dict[str, Any]


class Problem(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param


def error(problem: Problem) -> Answer:
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    return {"error": {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code}}


def unknown_model(model: str, known: Sequence[str]) -> Problem:
    message = f"The model `{model}` does not exist here; for this there is {', '.join(known)}."
    return Problem(404, message, code="model_not_found", param="model")


def models(names: Sequence[str]) -> Answer:
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "chronos"} for name in names]
    return {"object": "list", "data": listed}


def brief(heard: Heard) -> Answer:
    """response_format json."""
    return {"text": heard.text, "usage": _duration(heard)}


def verbose(heard: Heard, granularities: Sequence[str]) -> Answer:
    """response_format verbose_json: segments, words or both, as asked."""
    answer: Answer = {
        "task": "transcribe",
        "language": heard.language,
        "duration": heard.duration,
        "text": heard.text,
        "usage": _duration(heard),
    }
    if "word" in granularities:
        answer["words"] = [_word(word) for segment in heard.segments for word in segment.words]
    if "segment" in granularities:
        answer["segments"] = [_segment(index, segment) for index, segment in enumerate(heard.segments)]
    return answer


def embeddings(model: str, embedded: Embedded, encoding: str) -> Answer:
    """Vectors as lists of numbers, or (base64, as the openai client asks) as little-endian float32."""
    rows = embedded.vectors.astype("<f4")
    vectors = [base64.b64encode(row.tobytes()).decode() if encoding == "base64" else row.tolist() for row in rows]
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)],
        "model": model,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }


def _duration(heard: Heard) -> Answer:
    return {"type": "duration", "seconds": heard.duration}


def _word(word: HeardWord) -> Answer:
    return {"word": word.word, "start": word.start, "end": word.end}


def _segment(index: int, segment: HeardSegment) -> Answer:
    return {
        "id": index,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }
