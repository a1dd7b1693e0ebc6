"""The API beside its own document, asked by a machine that thinks of what nobody would."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chronos.api.server import create_app
from chronos.config import Settings
from schemas.deletion import VideoDeleted
from tests.golden.examples import EXAMPLES, WHO
from tests.sockets import served
from tests.stack import Stack, new_stack, until

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
TABLES = ("videos", "runs", "transcripts", "chunks", "usage", "failures")
SEED = int(os.environ.get("SEED", "7"))
PROFILE: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "phases": [Phase.explicit, Phase.generate],  # without a hunt for the smallest example: what is found is small
    "suppress_health_check": list(HealthCheck),
}


def endless(operation: dict[str, Any]) -> bool:
    """A stream of events has no end to wait for."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


def documented() -> dict[str, Any]:
    document = create_app(Settings()).openapi()
    paths = {
        path: {method: one for method, one in operations.items() if not endless(one)}
        for path, operations in document["paths"].items()
    }
    return document | {"paths": {path: operations for path, operations in paths.items() if operations}}


schema = schemathesis.openapi.from_dict(documented())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a stack of its own, with an event of each kind in the tables; no function works on what is sent."""
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_projection()
        asyncio.run(fill(stack))
        with served(create_app(stack.settings())) as url:
            yield url


async def fill(stack: Stack) -> None:
    film = stack.home / "store" / EXAMPLES[0].storage_path
    film.parent.mkdir(parents=True)
    film.write_bytes(b"a film")
    async with stack.hands() as hands:
        for event in EXAMPLES:
            if not isinstance(event, VideoDeleted):
                await hands.send.send(event)

        async def folded() -> bool:
            return all([await hands.pool.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES])

        await until("the tables have something of all", folded)


KNOWN = {
    "creator": WHO["creator_id"],
    "video": WHO["video_id"],
    "id": 1,
    "subject": "audio.extracted-value",
    "version": "1",
}
"""Names of what is there, which no machine thinks of."""


def pages_of_what_is_there() -> list[str]:
    reads = {path: operations["get"] for path, operations in documented()["paths"].items() if "get" in operations}
    return [path for path, read in reads.items() if named(read) <= KNOWN.keys()]


def named(operation: dict[str, Any]) -> set[str]:
    return {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}


@pytest.mark.parametrize("path", pages_of_what_is_there())
def test_what_is_there_is_shown_as_it_is_documented(path: str, url: str):
    case = schema[path]["GET"].Case(path_parameters=KNOWN, query={"q": "words"} if path.endswith("/search") else {})
    answer = case.call_and_validate(base_url=url, checks=CHECKS)
    assert answer.status_code == 200, answer.text


def ask(case: schemathesis.Case, url: str) -> None:
    assume("transfer-encoding" not in {name.lower() for name in case.headers or ()})  # what is no HTTP reaches no route
    case.call_and_validate(base_url=url, checks=CHECKS)


@schema.parametrize()
@seed(SEED)
@settings(max_examples=10, **PROFILE)
def test_no_answer_is_a_500_or_undocumented(case: schemathesis.Case, url: str):
    ask(case, url)


@pytest.mark.long
@schema.parametrize()
@seed(SEED + 1)
@settings(max_examples=500, **PROFILE)
def test_no_answer_is_a_500_or_undocumented_however_long_one_asks(case: schemathesis.Case, url: str):
    ask(case, url)
