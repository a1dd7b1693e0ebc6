"""The documents of the API and of the topics: as the code is, and as their specifications want them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
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
SPECIFICATION = json.loads((Path(__file__).parents[1] / "asyncapi-3.0.0.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_the_documents_are_as_the_code_is(name: str):
    assert (REFERENCE / name).read_text("utf-8") == documents()[name], "run `python -m chronos.documents`"


def test_the_topics_are_described_as_asyncapi_wants_it():
    rules = jsonschema_rs.Draft7Validator(SPECIFICATION)
    assert [error.message for error in rules.iter_errors(DOCUMENT)] == []
    wrong = copy.deepcopy(DOCUMENT)
    wrong["operations"]["transcribe-video.receive.transcribe.requested"]["action"] = "reads"
    assert not rules.is_valid(wrong)


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
