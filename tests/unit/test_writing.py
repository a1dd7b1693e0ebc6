"""What the tables are given: values by column, and nothing that Postgres cannot hold."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.projection import Table
from streams.writing import columns

NOTES = Table(
    "notes",
    key={"owner": "text", "id": "uuid"},
    registers={"text": {"body": "text", "about": "jsonb"}, "size": {"bytes": "int8"}},
)


def told(value: Any) -> Any:
    """What Postgres's jsonb makes of it: it refuses an escaped NUL."""
    (about,) = columns(NOTES, {("ada", "1"): {"text": (b"1", ("", json.dumps(value)))}})[3]
    return json.loads(about)


def test_columns_are_in_the_order_of_the_table_and_rows_in_that_of_their_keys() -> None:
    rows = {
        ("b", "2"): {"size": (b"9", (5,))},
        ("a", "1"): {"text": (b"7", ("said", "{}")), "size": (b"8", (0,))},
    }
    assert columns(NOTES, rows) == [
        ["a", "b"],
        ["1", "2"],
        ["said", None],
        ["{}", None],
        [b"7", None],
        [0, 5],
        [b"8", b"9"],
    ]


def test_a_nul_in_a_text_does_not_stop_the_tables() -> None:
    found = columns(NOTES, {("a\0da", "1"): {"text": (b"1", ("no\0thing", None))}})
    assert (found[0], found[2]) == (["ada"], ["nothing"])


def test_a_nul_in_what_a_provider_said_does_not_stop_the_tables() -> None:
    assert told({"said\0": ["a\0b", "\\u0000", "\\\\u0000", "\\\0"]}) == {"said": ["ab", "\\u0000", "\\\\u0000", "\\"]}


@given(st.text(alphabet="\0\\u0a"))
def test_json_loses_its_nuls_and_nothing_else(text: str) -> None:
    assert told(text) == text.replace("\0", "")
