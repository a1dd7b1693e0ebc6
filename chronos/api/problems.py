"""Every error as a problem document (RFC 9457), with the line that the command line would say; never a trace."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from chronos.api.forms import Problem
from chronos.browsing import NoSuchTopic
from chronos.budgeting import BadBudget
from chronos.choosing import NothingMeant
from chronos.cli.errors import explain
from chronos.comparing import TooDifferent
from chronos.conditions import BadCondition
from chronos.costs import TooMuch
from chronos.deleting import NotGone
from chronos.embedders import NoSuchSpace
from chronos.exporting import TooFewChapters
from chronos.letters import AnotherAtWork, NoSuchLetter
from chronos.moments import NoMoment
from chronos.offsets import BadWay
from chronos.planning import NoSuchGroup
from chronos.plans import PlanIsStale
from chronos.queries import NoSuchVideo, RunIsOver
from chronos.reprocessing import NoneChosen
from chronos.retrying import NothingToRetry
from chronos.rewinding import NotMoved
from chronos.spaces import NotFolded
from schemas.avro import Undecodable
from streams.kafka import BrokerAway, DeliveryFailed, TooLarge, TopicsMissing
from streams.postgres import AWAY
from streams.retry import Fault

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
LATER = 5  # seconds after which to try again what is away

STATUS: dict[type[Exception], HTTPStatus] = {
    NoSuchVideo: HTTPStatus.NOT_FOUND,
    NoSuchSpace: HTTPStatus.NOT_FOUND,
    NoSuchTopic: HTTPStatus.NOT_FOUND,
    TooMuch: HTTPStatus.UNPROCESSABLE_ENTITY,
    NoSuchGroup: HTTPStatus.NOT_FOUND,
    NoSuchLetter: HTTPStatus.NOT_FOUND,
    NothingMeant: HTTPStatus.NOT_FOUND,
    NoneChosen: HTTPStatus.NOT_FOUND,
    NothingToRetry: HTTPStatus.NOT_FOUND,
    RunIsOver: HTTPStatus.CONFLICT,
    TooFewChapters: HTTPStatus.CONFLICT,
    PlanIsStale: HTTPStatus.CONFLICT,
    AnotherAtWork: HTTPStatus.CONFLICT,
    TooDifferent: HTTPStatus.CONFLICT,
    NotMoved: HTTPStatus.CONFLICT,
    NotGone: HTTPStatus.GATEWAY_TIMEOUT,  # it is on the log, and will be done
    NotFolded: HTTPStatus.GATEWAY_TIMEOUT,
    BadBudget: HTTPStatus.UNPROCESSABLE_ENTITY,
    BadCondition: HTTPStatus.UNPROCESSABLE_ENTITY,
    BadWay: HTTPStatus.UNPROCESSABLE_ENTITY,
    NoMoment: HTTPStatus.UNPROCESSABLE_ENTITY,
    Undecodable: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BrokerAway: HTTPStatus.SERVICE_UNAVAILABLE,
    DeliveryFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    TopicsMissing: HTTPStatus.SERVICE_UNAVAILABLE,
    Fault: HTTPStatus.SERVICE_UNAVAILABLE,  # of the provider that embeds a question
    **dict.fromkeys(AWAY, HTTPStatus.SERVICE_UNAVAILABLE),
}
"""What is not here is a bug of ours: 500."""


class Refused(Exception):
    """An answer that is no success, with the reason."""

    def __init__(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse(_problem(status, detail).model_dump(), status, media_type=MEDIA_TYPE)


def _problem(status: int, detail: str, fields: dict[str, str] | None = None) -> Problem:
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, fields=fields or {})


def register(app: FastAPI) -> None:
    """Has the app answer with problems, and its document say how they look."""
    for kind in (Refused, RequestValidationError, HTTPException, *STATUS, Exception):
        app.add_exception_handler(kind, _answered)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        document["components"]["schemas"][Problem.__name__] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # so FastAPI's own pages have it done


async def _answered(request: Request, error: Exception) -> JSONResponse:
    problem, headers = describe(request, error)
    return JSONResponse(problem.model_dump(), problem.status, headers, MEDIA_TYPE)


def describe(request: Request, error: Exception) -> tuple[Problem, dict[str, str]]:
    """What an error is to who asked, and the headers that go with it. The log has the unforeseen."""
    if isinstance(error, Refused):
        return _problem(error.status, error.detail), error.headers or {}
    if isinstance(error, RequestValidationError):
        fields = {_place(one["loc"]): one["msg"] for one in error.errors()}
        said = "; ".join(f"{name}: {why}" for name, why in fields.items())
        return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, said, fields), {}
    if isinstance(error, HTTPException):
        return _problem(error.status_code, str(error.detail)), dict(error.headers or {})
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    if status is None:
        log.error("unforeseen", path=request.url.path, exc_info=error)
        said = "unforeseen: the server's log says what happened"
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, said), {}
    headers = {"Retry-After": str(LATER)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return _problem(status, explain(error), _fields(error)), headers


def _fields(error: Exception) -> dict[str, str]:
    """What is wrong with an event, by its fields' names on the wire."""
    cause = error.__cause__
    return {} if not isinstance(cause, ValidationError) else {_place(one["loc"]): one["msg"] for one in cause.errors()}


def _place(steps: tuple[int | str, ...]) -> str:
    """Names that are no text (half of a surrogate pair) cannot be said in an answer."""
    return ".".join(map(str, steps)).encode(errors="backslashreplace").decode()


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What is wrong, in one line.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
    }
}
