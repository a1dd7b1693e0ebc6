"""The routes: what a client of OpenAI's API needs for speech and embeddings, and the bill.

It is given its models and its bill, so that the double of the tests is the same server with models that cost no time.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

import structlog
from fastapi import FastAPI, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chronos.devstack.local_ai import answers
from chronos.devstack.local_ai.answers import Problem
from chronos.devstack.local_ai.bench import Bench, Model
from chronos.devstack.local_ai.bill import Bill, Charge, charge
from chronos.devstack.local_ai.models import BadInput, EmbeddingModel, SpeechModel

LARGEST_AUDIO = 25 * 1024 * 1024  # bytes: OpenAI's own limit
MOST_TEXTS = 2048  # a call: OpenAI's own limit

M = TypeVar("M", bound=Model)

log = structlog.get_logger(__name__)


class EmbeddingRequest(BaseModel):
    """The body of POST /v1/embeddings. Lists of token numbers, which OpenAI takes as well, are not understood."""

    model: str
    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


class Transcribing(BaseModel):
    """The fields of POST /v1/audio/transcriptions. Others, such as temperature, are taken and change nothing."""

    file: UploadFile
    model: str
    language: str | None = None
    prompt: str | None = None
    response_format: Literal["json", "verbose_json", "text"] = "json"
    granularities: list[Literal["word", "segment"]] = Field(["segment"], alias="timestamp_granularities[]")


class Service:
    """The models, each on its bench, and the bill."""

    def __init__(self, speech: Sequence[SpeechModel], embedders: Sequence[EmbeddingModel], bill: Bill) -> None:
        self._speech: dict[str, Bench[SpeechModel]] = {model.name: Bench(model) for model in speech}
        self._embedders: dict[str, Bench[EmbeddingModel]] = {model.name: Bench(model) for model in embedders}
        self._benches: list[Bench[SpeechModel] | Bench[EmbeddingModel]] = [
            *self._speech.values(),
            *self._embedders.values(),
        ]
        self.bill = bill

    def states(self) -> dict[str, str]:
        """Each model by name: loading, ready or failed."""
        return {bench.name: bench.state for bench in self._benches}

    async def transcribe(self, asked: Transcribing) -> Response:
        bench = _pick(self._speech, asked.model)
        audio = await asked.file.read()
        if len(audio) > LARGEST_AUDIO:
            raise Problem(413, f"The file has {len(audio)} bytes, the maximum is {LARGEST_AUDIO}.", param="file")
        heard = await bench.run(lambda model: model.hear(audio, language=asked.language, prompt=asked.prompt))
        paid = charge("transcription", bench.name, [hashlib.sha256(audio).hexdigest()], seconds=heard.duration)
        self.bill.add(paid)
        if asked.response_format == "text":
            return PlainTextResponse(heard.text + "\n", headers=_headers(paid))
        if asked.response_format == "json":
            return JSONResponse(answers.brief(heard), headers=_headers(paid))
        return JSONResponse(answers.verbose(heard, asked.granularities), headers=_headers(paid))

    async def embed(self, asked: EmbeddingRequest) -> Response:
        bench = _pick(self._embedders, asked.model)
        texts = asked.texts()
        digests = [hashlib.sha256(_raw(text)).hexdigest() for text in texts]
        embedded = await bench.run(lambda model: model.embed(texts, dimensions=asked.dimensions))
        paid = charge("embedding", bench.name, digests, tokens=embedded.tokens)
        self.bill.add(paid)
        return JSONResponse(answers.embeddings(bench.name, embedded, asked.encoding_format), headers=_headers(paid))

    def close(self) -> None:
        for bench in self._benches:
            bench.close()


def create_app(service: Service) -> FastAPI:
    """The server of these models. It listens to nobody yet."""

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(title="Chronos local AI", lifespan=closing, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(BadInput, _bad_input)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Exception, _crash)
    # Under a name of its own that points to 127.0.0.1, any web page could reach this server.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    _add_routes(app, service)
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post("/v1/audio/transcriptions")
    async def transcriptions(asked: Annotated[Transcribing, Form(media_type="multipart/form-data")]) -> Response:
        return await service.transcribe(asked)

    @app.post("/v1/embeddings")
    async def embeddings(asked: EmbeddingRequest) -> Response:
        return await service.embed(asked)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return answers.models(list(service.states()))

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """503 only when a model failed to load: one that is loading makes its callers wait, and that is all."""
        states = service.states()
        failed = "failed" in states.values()
        return JSONResponse({"status": "failed" if failed else "ok", "models": states}, 503 if failed else 200)

    @app.get("/bill")
    async def bill() -> list[dict[str, Any]]:
        return [asdict(paid) for paid in service.bill.charges()]


def _pick(benches: dict[str, Bench[M]], model: str) -> Bench[M]:
    if model not in benches:
        raise answers.unknown_model(model, list(benches))
    return benches[model]


def _raw(text: str) -> bytes:
    if not text:
        raise BadInput("An input text is empty.", "input")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"An input text is not valid Unicode: {error.reason}.", "input") from error


def _headers(paid: Charge) -> dict[str, str]:
    return {"x-request-id": paid.call}


def _answer(problem: Problem) -> JSONResponse:
    return JSONResponse(answers.error(problem), problem.status)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return _answer(error)


async def _bad_input(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadInput)
    return _answer(Problem(400, str(error), param=error.param))


async def _wrong_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = str(first["loc"][1]) if len(first["loc"]) > 1 else None
    return _answer(Problem(400, f"{field or 'body'}: {first['msg']}", param=field))


async def _http_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(Problem(error.status_code, str(error.detail)))


async def _crash(request: Request, error: Exception) -> JSONResponse:
    log.error("crashed", path=request.url.path, exc_info=error)
    return _answer(Problem(500, f"{type(error).__name__}: {error}"))
