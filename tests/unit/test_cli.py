"""The command line without a stack: errors in one line, one remedy a fault, a help that is quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chronos.cli.root import app, hoisted


@pytest.fixture(autouse=True)
def _no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor a folder names anything that runs."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHRONOS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")


def chronos(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, args, input=stdin)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ('{"videoId": "v", "creatorId": "c"}', "storagePath"),
        ('{"videoId": 7, "creatorId": "c", "storagePath": "p"}', "videoId"),
        ("{", "not JSON"),
    ],
)
def test_a_wrong_field_is_named_in_one_line_and_nothing_is_sent(payload: str, named: str) -> None:
    said = chronos("send", "transcribe.requested", payload)
    assert said.exit_code == 2
    assert named in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1


def test_the_old_runners_event_name_is_understood() -> None:
    assert chronos("send", "video/transcribe.requested", "--example").exit_code == 0


def test_common_options_may_stand_behind_the_command() -> None:
    assert hoisted(["demo", "--home", "x", "--debug"]) == ["--home", "x", "--debug", "demo"]
    assert hoisted(["search", "--home=x", "--", "--debug"]) == ["--home=x", "search", "--", "--debug"]


def test_doctor_names_a_remedy_for_each_fault_and_none_for_what_follows_from_it() -> None:
    said = chronos("doctor", "--json")
    assert said.exit_code == 1
    found = json.loads(said.stdout)["checks"]
    faults = [check for check in found if not check["ok"]]
    assert {fault["name"] for fault in faults} == {"broker", "database", "ai"}
    assert all(fault["remedy"] for fault in faults)


def test_help_loads_nothing_but_what_prints_it() -> None:
    """Import time creeps: 0.35 s here, most of it Typer's and Rich's. Counted in modules, which are the same on a slow
    or busy machine: the processor's seconds tripled on a shared one."""
    program = """
import runpy, sys
sys.argv = ["chronos", "--help"]
try:
    runpy.run_module("chronos", run_name="__main__", alter_sys=True)
finally:
    print(*sys.modules, file=sys.stderr)
"""
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = said.stderr.split()
    assert "typer" in loaded
    assert len(loaded) < 450
    assert {name.partition(".")[0] for name in loaded} & {"schemas", "agents", "projections", "streams"} == set()


HEAVY = ("openai", "faust", "aiokafka", "av", "numpy")


@pytest.mark.parametrize(
    ("what", "unwanted"),
    [
        ("chronos.cli.root", (*HEAVY, "structlog", "pydantic", "asyncpg", "confluent_kafka")),
        ("chronos.sides, chronos.queries", (*HEAVY, "confluent_kafka", "schemas.catalogue")),  # status, watch
        ("chronos.app, chronos.sending", HEAVY),  # send, transcribe
        ("chronos.searching", HEAVY),  # the provider's client comes when there are words to embed
        ("chronos.folding", (*HEAVY, "httpx")),  # verify, and a worker that only projects
        ("chronos.api.server", HEAVY),  # what it plans and exports brings the rest when it is asked for
    ],
)
def test_a_command_waits_for_no_import_that_it_does_not_need(what: str, unwanted: tuple[str, ...]) -> None:
    """The client alone takes a second, Faust half of one: they belong to who works, not to who asks."""
    program = f"import {what}, sys; print(*(name for name in {unwanted} if name in sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert said.stdout.split() == []


@pytest.mark.parametrize(("words", "offered"), [("chronos st", "stop\nstatus"), ("chronos journal ", "rebuild")])
def test_the_shell_completes_commands(words: str, offered: str) -> None:
    env = {"_CHRONOS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    said = subprocess.run(
        [sys.executable, "-m", "chronos"], env=os.environ | env, check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == offered
