"""The documents of the API and of the topics: as the code is, and as their specifications want them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest

from chronos.asyncapi import document
from chronos.documents import REFERENCE, documents
from chronos.pipeline import FUNCTIONS
from schemas.catalogue import CATALOGUE
from schemas.people import EXAMPLES
from schemas.topics import TOPICS

DOCUMENT = document()


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_the_documents_are_as_the_code_is(name: str):
    assert (REFERENCE / name).read_text("utf-8") == documents()[name], "run `python -m chronos.documents`"


def test_the_topics_are_described_as_asyncapi_wants_it():
    assert faults(DOCUMENT) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it["operations"]["transcribe-video.receive.transcribe.requested"].update(action="reads"),
        lambda it: it.pop("info"),
        lambda it: it.update(topics={}),
        lambda it: it["channels"]["transcribe.requested"].pop("address"),
        lambda it: it["components"]["messages"]["transcribe.requested.json"].update(body={}),
    ],
)
def test_a_document_that_is_not_so_is_found_out(spoil: Callable[[dict[str, Any]], Any]):
    wrong = copy.deepcopy(DOCUMENT)
    spoil(wrong)
    assert faults(wrong) != []


FIELDS = {
    "document": {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"},
    "info": {"title", "version", "description", "termsOfService", "contact", "license", "tags", "externalDocs"},
    "channel": {
        "address", "messages", "title", "summary", "description", "servers", "parameters", "tags", "externalDocs",
        "bindings",
    },
    "operation": {
        "action", "channel", "title", "summary", "description", "security", "tags", "externalDocs", "bindings",
        "traits", "messages", "reply",
    },
    "message": {
        "headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "tags",
        "externalDocs", "bindings", "examples", "traits",
    },
}  # fmt: skip
"""The fields of AsyncAPI 3.0.0's objects (asyncapi.com/docs/reference/specification/v3.0.0). No others
may be there, but ours, whose names begin with x-."""

NEEDED = {"document": {"asyncapi", "info"}, "info": {"title", "version"}, "operation": {"action", "channel"}}


def faults(document: dict[str, Any]) -> list[str]:
    """What is wrong by the rules of the specification that concern what we say."""
    parts = [("document", "document", document), ("info", "info", document.get("info", {}))]
    parts += [("channel", name, one) for name, one in document["channels"].items()]
    parts += [("operation", name, one) for name, one in document["operations"].items()]
    parts += [("message", name, one) for name, one in document["components"]["messages"].items()]
    found = [
        f"{name}: {field}" for kind, name, one in parts for field in one.keys() - FIELDS[kind] if field[:2] != "x-"
    ]
    found += [f"{name}: no {field}" for kind, name, one in parts for field in NEEDED.get(kind, set()) - one.keys()]
    found += [name for kind, name, one in parts if kind == "operation" and one.get("action") not in ("send", "receive")]
    found += [name for kind, name, one in parts if kind == "channel" and one.get("address") != name]
    return found if document["asyncapi"] == "3.0.0" else [*found, "asyncapi"]


def test_every_reference_leads_somewhere():
    for path in references(DOCUMENT):
        assert resolved(path), path


def test_an_operation_names_messages_of_its_own_channel():
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        assert operation["messages"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_every_topic_is_there_and_somebody_writes_to_it():
    sent = {
        one["channel"]["$ref"].rpartition("/")[2] for one in DOCUMENT["operations"].values() if one["action"] == "send"
    }
    assert set(DOCUMENT["channels"]) == set(TOPICS) == sent


def test_each_function_receives_and_sends_what_its_signature_says():
    for function in FUNCTIONS:
        for action, events in (("receive", function.consumes), ("send", function.emits)):
            begins = f"{function.name}.{action}."
            named = {name.removeprefix(begins) for name in DOCUMENT["operations"] if name.startswith(begins)}
            assert named == {event.name for event in events}


@pytest.mark.parametrize("topic", EXAMPLES)
def test_an_example_of_a_command_fits_its_own_schema(topic: str):
    message = DOCUMENT["components"]["messages"][f"{topic}.json"]
    schema = {**message["payload"], "components": DOCUMENT["components"]}
    rules = jsonschema_rs.Draft202012Validator(schema)
    assert [rules.is_valid(example["payload"]) for example in message["examples"]] == [True]
    assert not rules.is_valid({})


def test_every_command_takes_json_from_people():
    commands = {name for name, event in CATALOGUE.items() if event.kind == "command"}
    assert {
        name.removesuffix(".json") for name in DOCUMENT["components"]["messages"] if name.endswith(".json")
    } == commands


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            yield reference
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def resolved(path: str) -> Any:
    found: Any = DOCUMENT
    for name in path.removeprefix("#/").split("/"):
        found = found[name]
    return found
