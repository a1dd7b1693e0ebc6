"""The topics as an AsyncAPI 3 document, out of the code: what is on each, in which form, who says and who reads it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from chronos.pipeline import EVENTS, FUNCTIONS, PROJECTION_GROUP
from schemas.avro import data_schema
from schemas.catalogue import CATALOGUE
from schemas.event import Event
from schemas.operating import OperatorActed
from schemas.people import EXAMPLES
from schemas.released import releases
from schemas.running import FunctionFailed, FunctionRetried, ResultKept, RunCancelled, UsageRecorded
from schemas.spaces import SpaceActivated, SpaceRegistered, SpaceRetired
from schemas.topics import DEAD_LETTER, TOPICS, Topic
from streams.envelope import Envelope
from streams.stage import Function

Json = dict[str, Any]
Events = tuple[type[Event], ...]

AVRO = "application/vnd.apache.avro;version=1.9.0"
BINDING = {"bindingVersion": "0.5.0"}
COMMANDS: Events = tuple(CATALOGUE[name] for name in EXAMPLES)

TOLD: Events = (FunctionRetried, FunctionFailed, UsageRecorded, ResultKept)
"""What is said of every function's runs, beside what the function says itself."""

OPERATED: Events = (OperatorActed, RunCancelled, SpaceRegistered, SpaceActivated, SpaceRetired)
"""What operators say, by the command line or the API."""


@cache
def document() -> Json:
    """The whole of it. Where the broker is, is nobody's but the cluster's: it names no servers."""
    _, forms = models_json_schema(
        [(one, "validation") for one in COMMANDS], ref_template="#/components/schemas/{model}"
    )
    topics = [TOPICS[name] for name in sorted(TOPICS)]  # not in the order of imports
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Chronos", "version": version("chronos"), "description": _INFO},
        "defaultContentType": "application/vnd.apache.avro+binary",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(_operations()),
        "components": {
            "messages": {name: message for topic in topics for name, message in _messages(topic).items()},
            "schemas": {"envelope": _envelope(), **forms["$defs"]},
        },
    }


_INFO = (
    "Values are Avro in Confluent's framing: 0x00, the schema's id in four bytes, the body; the ids are served at "
    "/schemas/ids/{id}. Topics of commands take UTF-8 JSON as well. What older versions wrote stays readable."
)


# -- channels and their messages --------------------------------------------------------------------------------------


def _channel(topic: Topic) -> Json:
    config: Json = {
        "cleanup.policy": [topic.config["cleanup.policy"]],
        "retention.ms": int(topic.config["retention.ms"]),
        "max.message.bytes": int(topic.config["max.message.bytes"]),
    }
    return {
        "address": topic.name,
        "description": f"{topic.kind.capitalize()}. Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages(topic)},
        "bindings": {"kafka": {"partitions": topic.partitions, "topicConfiguration": config, **BINDING}},
    }


def _messages(topic: Topic) -> dict[str, Json]:
    if topic.name == DEAD_LETTER:
        return {DEAD_LETTER: _letter(topic)}
    event = CATALOGUE[topic.name]
    return {
        event.name: _avro(event, topic),
        **({f"{event.name}.json": _json(event, topic)} if event in COMMANDS else {}),
    }


def _avro(event: type[Event], topic: Topic) -> Json:
    release = releases()[event.name, event.version]
    return {
        **_common(event, topic),
        "headers": {"$ref": "#/components/schemas/envelope"},
        "correlationId": {"location": "$message.header#/ce_correlationid", "description": "The run."},
        "payload": {"schemaFormat": AVRO, "schema": release.definition},
        "x-schema": {"id": release.id, "version": release.version, "fingerprint": data_schema(event)},
    }


def _json(event: type[Event], topic: Topic) -> Json:
    """What a person may write."""
    return {
        **_common(event, topic),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "examples": [{"payload": EXAMPLES[event.name]}],
    }


def _letter(topic: Topic) -> Json:
    what = "A record that could not be read, byte for byte, with Kafka Connect's and Spring's headers that say why."
    return {
        "name": topic.name,
        "summary": what,
        "contentType": "application/octet-stream",
        "payload": {},
        "bindings": _binding(topic),
    }


def _common(event: type[Event], topic: Topic) -> Json:
    said = {"name": event.name, "summary": inspect.cleandoc(event.__doc__ or "")}
    return {**said, "bindings": _binding(topic)}


def _binding(topic: Topic) -> Json:
    return {"kafka": {"key": {"type": "string", "description": topic.key}, **BINDING}}


def _envelope() -> Json:
    """The headers, which Chronos writes and nobody else must."""
    example = Envelope(
        id="x", type="x", source="x", time=datetime.now(UTC), subject="x", run_id="x", cause_id="x", sequence=0,
        function="x", schema="x",
    )  # fmt: skip
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in Kafka's binary mode. A record without them is still valid.",
        "properties": {name: {"type": "string"} for name, _ in example.headers()},
    }


# -- who says and who reads -------------------------------------------------------------------------------------------


def _operations() -> Iterator[tuple[str, Json]]:
    for function in FUNCTIONS:
        yield from _of_function(function)
    for event in EVENTS:
        yield _operation("projection", "receive", event, "Folds it into the tables.", PROJECTION_GROUP)
    for event in TOLD:
        yield _operation("runner", "send", event, "Said of every function's runs.")
    for event in (*COMMANDS, *OPERATED):
        yield _operation("api", "send", event, "Sent by the command line or the HTTP API.")
    yield "any.send.dead-letter", _said("send", DEAD_LETTER, "Whoever reads a topic of commands or facts.")


def _of_function(function: Function) -> Iterator[tuple[str, Json]]:
    what = inspect.cleandoc(function.body.__doc__ or "")
    for event in function.consumes:
        yield _operation(function.name, "receive", event, what, function.group())
    for event in function.emits:
        yield _operation(function.name, "send", event, what)


def _operation(who: str, action: str, event: type[Event], what: str, group: str | None = None) -> tuple[str, Json]:
    bound = {"kafka": {"groupId": {"type": "string", "const": group}, **BINDING}}
    return f"{who}.{action}.{event.name}", {**_said(action, event.name, what), **({"bindings": bound} if group else {})}


def _said(action: str, topic: str, what: str) -> Json:
    messages: Iterable[str] = _messages(TOPICS[topic]) if action == "receive" else (topic,)
    return {
        "action": action,
        "summary": what,
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in messages],
    }
