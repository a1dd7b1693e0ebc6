"""JSON from people, on command topics: from Kafka UI, kcat, a console producer, or the runner that was replaced."""

from __future__ import annotations

import copy
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json as parse_json

from schemas.avro import Undecodable, explain
from schemas.catalogue import CATALOGUE
from schemas.event import Event

MAX_BYTES = 1024 * 1024  # 25,000 video ids; a larger choice is a filter's work
BOM = b"\xef\xbb\xbf"  # what some Windows programs put before UTF-8

EXAMPLES: dict[str, dict[str, Any]] = {
    "transcribe.requested": {
        "videoId": "lecture-01",
        "creatorId": "ada",
        "storagePath": "ada/lecture-01.mp4",
        "originalFilename": "Lecture 1.mp4",
        "title": "What a machine can do",
        "language": "en",
    },
    "chunk.requested": {
        "videoId": "lecture-01",
        "creatorId": "ada",
        "reason": "the chunks are to be cut anew",
        "transcript": {"topic": "transcription.completed", "partition": 0, "offset": 0},
    },
    "embeddings.batch-reprocess": {
        "batchId": "2026-spring",
        "filter": {"creatorId": "ada", "before": "2026-03-01T00:00:00Z"},
        "reason": "a better embedding model",
    },
    "video.delete": {
        "videoId": "lecture-01",
        "creatorId": "ada",
        "by": "ada",
        "reason": "recorded by mistake",
    },
}


def is_json(value: bytes) -> bool:
    """Whether a person wrote this: `{` comes first, after blanks at most. Framed Avro begins with 0x00."""
    return value.removeprefix(BOM).lstrip(b" \t\r\n").startswith(b"{")


def from_json(topic: str, value: bytes, *, extra: Literal["ignore", "forbid"] = "ignore") -> Event:
    """The command that a person wrote, with camelCase or snake_case keys, bare or in the old runner's envelope.

    `extra`: what becomes of fields that the command does not have. On the log they are passed over; who still waits for
    an answer is told, since a field of that kind is mostly a misspelt one.

    Raises:
        Undecodable: no JSON object, too large or too deep, another topic's event, or fields that are missing or wrong:
            all of them are named.
    """
    command = CATALOGUE.get(topic)
    if command is None or command.kind != "command":
        raise Undecodable(f"{topic} takes no JSON; these do: {', '.join(EXAMPLES)}")
    payload = _payload(topic, _object(value))
    _refuse_twins(command, payload)
    try:
        return command.model_validate(payload, extra=extra)
    except ValidationError as error:
        example = f"for an example: chronos send {topic} --example"
        raise Undecodable(f"not a valid {topic}: {explain(error)} ({example})") from error


def example(topic: str) -> dict[str, Any]:
    """A payload that the command topic takes. KeyError for other topics."""
    return copy.deepcopy(EXAMPLES[topic])


def topic_of(name: str) -> str:
    """The topic of an event name of the old runner: `video/transcribe.requested`, `embeddings/batch-reprocess`."""
    _, slash, rest = name.partition("/")
    dotted = name.replace("/", ".", 1)
    return dotted if dotted in CATALOGUE or not slash else rest


def _object(value: bytes) -> dict[str, Any]:
    if len(value) > MAX_BYTES:
        raise Undecodable(f"{len(value):,} bytes of JSON; a command may have {MAX_BYTES:,}")
    try:
        found = parse_json(value.removeprefix(BOM), allow_inf_nan=False)
    except ValueError as error:  # broken, not UTF-8, or nested deeper than the parser follows
        raise Undecodable(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Undecodable("a command is a JSON object: {...}")
    return found


def _payload(topic: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is inside the old runner's {"name": ..., "data": {...}}; no command of ours has both of these fields."""
    if not {"name", "data"} <= given.keys():
        return given
    name, data = given["name"], given["data"]
    if not isinstance(name, str) or topic_of(name) != topic:
        raise Undecodable(f"name is {str(name)[:100]!r}, which is no event of {topic}")
    if not isinstance(data, dict):
        raise Undecodable("data: a JSON object was expected, with the event's fields")
    return data


def _refuse_twins(model: type[BaseModel], payload: dict[str, Any]) -> None:
    """One field under both of its names, with two values, would be a choice that nobody made."""
    for name, info in model.model_fields.items():
        if name != info.alias and {name, info.alias} <= payload.keys():
            raise Undecodable(f"{info.alias} and {name} are both given; they are one field")
