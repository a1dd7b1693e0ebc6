"""The picture of the pipeline says what the code does: whoever reads a topic is beside it."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from chronos.cli.root import app
from chronos.graph import as_mermaid, graph
from chronos.pipeline import FUNCTIONS


def drawn(*options: str) -> str:
    said = CliRunner().invoke(app, ["graph", *options])
    assert said.exit_code == 0
    return said.stdout


def test_every_function_is_drawn_with_all_that_it_reads_and_says() -> None:
    found = json.loads(drawn("--json"))
    by_name = {one["function"]: one for one in found["functions"]}
    for function in FUNCTIONS:
        shown = by_name[function.name]
        assert shown["reads"] == [event.name for event in function.consumes]
        assert [event.name for event in function.emits] == [one for one in shown["says"] if one != "function.failed"]
        assert ("function.failed" in shown["says"]) is function.reports_failure
        assert shown["about"]


def test_a_topic_between_two_functions_is_one_node_of_the_flowchart() -> None:
    lines = as_mermaid(graph()).splitlines()
    named = [line for line in lines if "transcription.completed" in line]
    assert len(named) == 1
    node = named[0].partition("(")[0].strip()
    assert sum(line.endswith(f"--> {node}") for line in lines) == 1
    assert sum(line.strip().startswith(f"{node} -->") for line in lines) == 1
    assert drawn("--mermaid").splitlines() == lines


def test_as_text_each_function_stands_above_its_topics() -> None:
    assert "transcribe-video\n  ← transcribe.requested\n  → transcription.started\n" in drawn()
