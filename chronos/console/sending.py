"""The page that sends an event: its form and its example come from the schema."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from chronos.api import forms, sending
from chronos.api.resources import Has, Reading, Sending
from chronos.console import fields
from chronos.console.rendering import page
from chronos.console.sessions import FORM, PageRoute
from schemas import people
from schemas.catalogue import CATALOGUE

router = APIRouter(route_class=PageRoute, include_in_schema=False)

BEGIN_RUNS = ("transcribe.requested", "chunk.requested")  # whose run has a page of its own


@router.get("/send")
async def form(request: Request, _: Reading, topic: str = "transcribe.requested") -> Response:
    """The form of one command; any field can be given in the address."""
    topic = topic if topic in people.EXAMPLES else "transcribe.requested"
    given = {name: value for name, value in request.query_params.items() if name != "topic"}
    return _form(request, topic, filled=given or None)


@router.post("/send", dependencies=[FORM])
async def send(request: Request, has: Has, _: Sending, topic: str) -> Response:
    """Sends it, and goes where it can be watched."""
    filled = {name: str(value) for name, value in (await request.form()).items()}
    try:
        event = fields.read(topic, filled)
    except fields.WrongFields as error:
        return _form(request, topic, filled=filled, wrong=error.by_field)
    sent = await sending.put(has, event)
    await sending.until_folded(has, sent.topic, sent.partition, sent.offset)
    return RedirectResponse(_where(sent), HTTPStatus.SEE_OTHER)


def _where(sent: forms.Sent) -> str:
    if sent.topic in BEGIN_RUNS:
        return f"/runs/{sent.run_id}"
    return "/log?" + urlencode({"topic": sent.topic, "partition": sent.partition, "offset": sent.offset})


def _form(
    request: Request, topic: str, *, filled: Mapping[str, str] | None = None, wrong: Mapping[str, str] | None = None
) -> Response:
    return page(
        request, "send.html", topic=topic, topics=list(people.EXAMPLES), about=CATALOGUE[topic].__doc__,
        fields=fields.form(topic, filled, wrong), wrong=wrong or {},
        code=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
    )  # fmt: skip
