"""`retry` and `deadletters` before they need a stack: wrong use is named, hostile bytes stay quiet on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chronos.cli.root import app
from chronos.cli.words import age, clean, hex_lines
from chronos.showing import as_text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("deadletters", "list", "--where", "offset=3"), "reason"),
        (("deadletters", "redrive", "--since", "yesterday"), "2h"),
        (("retry", "--function", "transcribe-video-error"), "generate-embeddings"),
        (("retry", "--before", "soon"), "2h"),
    ],
)
def test_wrong_use_is_named_in_one_line(tmp_path: Path, arguments: tuple[str, ...], named: str):
    said = CliRunner().invoke(app, ["--home", str(tmp_path), *arguments])
    assert said.exit_code == 2
    [line] = said.stderr.strip().splitlines()
    assert named in line


@pytest.mark.parametrize(
    "command", [("retry",), ("deadletters", "list"), ("deadletters", "redrive"), ("deadletters", "show")]
)
def test_help_has_examples(command: tuple[str, ...]):
    said = CliRunner().invoke(app, [*command, "--help"])
    assert "Example" in said.stdout


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_printed(text):
    assert all(c.isprintable() or c in "\n\t" for c in clean(text))


@given(st.binary(max_size=100))
def test_bytes_are_shown_as_text_or_as_hex_and_none_is_lost(value):
    text = as_text(value)
    if text is not None:
        assert text.encode() == value
    shown = "".join(line[10:57].replace(" ", "") for line in hex_lines(value))
    assert bytes.fromhex(shown) == value


def test_an_age_is_one_unit():
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert [age(now - timedelta(seconds=s), now) for s in (-5, 40, 720, 18_000, 300_000)] == [
        "0s", "40s", "12m", "5h", "3d",
    ]  # fmt: skip
