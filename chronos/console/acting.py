"""What is asked for twice: a form is answered with a plan's page, and the form there, with the plan's name, does it.

The page's address has the words that were asked with, and the operation that they began: it can be loaded again, and
shows how far that is. The words go back with the plan's name, so that what is done is what was shown (decision
0019)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar, get_origin
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from chronos.api import operating, wishes
from chronos.api.problems import Refused
from chronos.api.resources import OPEN, Has
from chronos.console.rendering import page
from chronos.plans import PlanIsStale

W = TypeVar("W", bound=wishes.Wish)

Words = list[tuple[str, str]]
Given = dict[str, Any]

APART = ("csrf", "confirm", "reason", "operation")  # of a form or an address, but not words of what is wished for


def read(kind: type[W], form: FormData, translate: Callable[[Given], Given] = dict) -> W:
    """The wish that a form is; an empty field is absent.

    Raises:
        RequestValidationError.
    """
    lists = {info.alias for info in kind.model_fields.values() if get_origin(info.annotation) is list}
    given: Given = {}
    for name in form:
        said = [text for one in form.getlist(name) if (text := str(one).strip())]
        if said and name != "csrf":
            given[name] = said if name in lists else said[-1]
    try:
        return kind.model_validate(translate(given))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


async def chosen(request: Request, name: str) -> FormData:
    """A form in which some were marked.

    Raises:
        Refused: none was: that must not mean all.
    """
    form = await request.form()
    if "some" in form and name not in form:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "nothing is marked: mark some, or take a whole group")
    return FormData([one for one in form.multi_items() if one[0] != "some"])


def words_of(wish: wishes.Wish) -> Words:
    """A wish as the fields of a form."""
    said = wish.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=set(APART))
    return [(name, _written(one)) for name, value in said.items() for one in _each(value)]


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def begin(request: Request, wish: W, ask: Callable[[W], Awaitable[wishes.Operation]]) -> Response:
    """Asks, and goes where its operation is shown. A plan that holds no more is shown as it is now."""
    more: Words = []
    try:
        operation = await ask(wish)
    except PlanIsStale:
        operation, more = await ask(wish.model_copy(update={"confirm": None})), [("changed", "yes")]
    words = urlencode([*words_of(wish), *more, ("operation", operation.id)])
    return RedirectResponse(f"{request.scope['raw_path'].decode()}?{words}", HTTPStatus.SEE_OTHER)


def words_in(request: Request) -> Words:
    """The words of the wish whose operation an address is of."""
    return [one for one in request.query_params.multi_items() if one[0] not in (*APART, "changed", "skip")]


async def show(request: Request, has: Has, operation: UUID, template: str, **context: Any) -> Response:
    """The page of an operation: how far it is, its plan, or what came of it."""
    found = await operating.progress_of(has, OPEN, operation)
    result = found.result or {}
    done = bool(result.get("executed") or "outcome" in result)
    return page(request, template, operation=found, result=result, done=done, words=words_in(request), **context)
