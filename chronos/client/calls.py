"""What a client asks and what the answers mean, the same for the one that blocks and the one that is awaited. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, Literal, TypeVar, get_args
from urllib.parse import quote

from pydantic import TypeAdapter
from pydantic_core import to_json

from chronos.api import forms
from schemas.event import Command

R = TypeVar("R")

Scope = Literal["event", "reading"]
Until = Literal["pending", "transcribing", "processing", "embedding", "completed"]  # in their order
Run = forms.Sent | uuid.UUID | str

MOST = 1_000  # events of one request: the server takes no more
SENT = TypeAdapter(list[forms.Sent])
WAY: tuple[str, ...] = get_args(Until)


@dataclass(frozen=True)
class Call(Generic[R]):
    """A request, the key that it needs, and what is read out of the answer."""

    scope: Scope
    method: str
    path: str
    read: Callable[[bytes], R]
    query: dict[str, str | int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


def send(event: Command | str, fields: dict[str, Any], key: str | None, wait: str | None) -> Call[forms.Sent]:
    """`event`: a command, or the topic of the one that the fields are."""
    topic, data = (event, fields) if isinstance(event, str) else (event.name, _data(event) | fields)
    query = {"wait": wait} if wait else {}
    path = f"/v1/events/{quote(topic)}"
    return Call("event", "POST", path, forms.Sent.model_validate_json, {**query}, _once(key), to_json(data))


def send_many(events: Iterable[Command], key: str | None) -> Iterator[Call[list[forms.Sent]]]:
    """One call for each thousand."""
    listed, key = list(events), key or _new_key()
    for at in range(0, len(listed), MOST):
        wanted = [{"topic": event.name, "data": _data(event)} for event in listed[at : at + MOST]]
        headers = _once(f"{key}/{at}")
        yield Call("event", "POST", "/v1/events", SENT.validate_json, {}, headers, to_json({"events": wanted}))


def _data(event: Command) -> dict[str, Any]:
    return event.model_dump(mode="json", by_alias=True, exclude_none=True)


def _once(key: str | None) -> dict[str, str]:
    """Under a key an event can be sent again where the answer to it was lost."""
    return {"Idempotency-Key": key or _new_key(), "Content-Type": "application/json"}


def _new_key() -> str:
    return str(uuid.uuid4())


def video(creator: str, video_id: str) -> Call[forms.VideoDetail]:
    return _get(f"/v1/videos/{_part(creator)}/{_part(video_id)}", forms.VideoDetail)


def transcript(creator: str, video_id: str) -> Call[forms.Transcript]:
    return _get(f"/v1/videos/{_part(creator)}/{_part(video_id)}/transcript", forms.Transcript)


def run(which: Run) -> Call[forms.Trace]:
    return _get(f"/v1/runs/{_part(run_id(which))}", forms.Trace)


def changes(which: Run) -> Call[None]:
    """The stream of a run's changes: server-sent events."""
    return Call("reading", "GET", f"/v1/runs/{_part(run_id(which))}/changes", lambda _: None)


def run_id(which: Run) -> str:
    return str(which.run_id if isinstance(which, forms.Sent) else which)


def search(words: str, creator: str | None, limit: int) -> Call[forms.Hits]:
    return _get("/v1/search", forms.Hits, q=words, creator=creator, limit=limit)


def usage(creator: str | None, since: date | None, before: date | None) -> Call[forms.Usage]:
    return _get("/v1/usage", forms.Usage, creator=creator, since=since, before=before)


def failures(creator: str | None, function: str | None, limit: int) -> Call[forms.Failures]:
    return _get("/v1/failures", forms.Failures, creator=creator, function=function, limit=limit)


F = TypeVar("F", bound=forms.Form)


def _get(path: str, form: type[F], **query: str | int | date | None) -> Call[F]:
    given = {name: one if isinstance(one, int) else str(one) for name, one in query.items() if one is not None}
    return Call("reading", "GET", path, form.model_validate_json, given)


def _part(text: str) -> str:
    """An id in a path, whatever is in it."""
    return quote(text, safe="")


def in_order(answers: Sequence[list[forms.Sent]]) -> list[forms.Sent]:
    return [sent for answer in answers for sent in answer]
