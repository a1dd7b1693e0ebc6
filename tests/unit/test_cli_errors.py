"""Errors as people meet them: one line, the remedy in it, no trace, and nothing that is taken for something else."""

from __future__ import annotations

import errno
import importlib
import json
from pathlib import Path

import pytest
import typer
from confluent_kafka import KafkaError, KafkaException
from typer.testing import CliRunner

from chronos.cli import errors, events
from chronos.cli.root import app
from chronos.cli.state import State, print_line
from streams.kafka import BrokerAway


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:a-password-of-ours@127.0.0.1:1/chronos")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    return State(tmp_path, debug=False)


@pytest.mark.parametrize("name", sorted({*errors.SPOKEN, *errors.WRONG_USE}))
def test_every_error_that_is_spoken_for_by_name_is_there(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_a_broker_that_is_away_comes_with_its_remedy(state: State) -> None:
    line = errors.explain(BrokerAway("no broker answers at 127.0.0.1:1"), state)
    assert line.startswith("no broker answers at 127.0.0.1:1; ")
    assert "chronos dev" in line
    assert "KAFKA_BOOTSTRAP_SERVERS" in line


def test_an_error_of_librdkafka_is_not_taken_for_a_bug(state: State) -> None:
    assert "KAFKA_BOOTSTRAP_SERVERS" in errors.explain(KafkaException(KafkaError(KafkaError._TRANSPORT)), state)


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/srv/videos"), "/srv/videos: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
    ],
)
def test_a_file_that_cannot_be_used_is_not_taken_for_a_database(state: State, error: OSError, named: str) -> None:
    line = errors.explain(error, state)
    assert named in line
    assert "database" not in line


@pytest.mark.parametrize("error", [ConnectionRefusedError(errno.ECONNREFUSED, "refused"), TimeoutError()])
def test_a_database_that_is_away_is_named_without_its_password(state: State, error: OSError) -> None:
    line = errors.explain(error, state)
    assert "127.0.0.1:1" in line
    assert "DATABASE_URL" in line
    assert "a-password" not in line


def _break(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Every `topics` ends in this error."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(events, "_topic_row", broken)
    monkeypatch.setattr("chronos.broker.Broker.topics", lambda self: {})


def test_what_nobody_foresaw_is_one_line_that_names_debug_and_a_trace_only_with_it(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch, LookupError("two\nlines"))
    failed = CliRunner().invoke(app, ["topics"])
    assert failed.exit_code == 1
    [line] = failed.stderr.splitlines()
    assert "LookupError: two lines" in line
    assert "--debug" in line
    traced = CliRunner().invoke(app, ["topics", "--debug"])
    assert isinstance(traced.exception, LookupError)


@pytest.mark.parametrize(("error", "code"), [(typer.Exit(7), 7), (typer.BadParameter("no"), 2), (typer.Abort(), 1)])
def test_what_the_command_line_says_by_itself_stays_as_it_is(
    state: State, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    _break(monkeypatch, error)
    said = CliRunner().invoke(app, ["topics"])
    assert said.exit_code == code
    assert "unforeseen" not in said.stderr


def test_a_wish_with_wrong_ids_is_refused_before_anything_is_uploaded(state: State, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(b"film")
    refused = CliRunner().invoke(app, ["--home", str(tmp_path), "transcribe", str(video), "--creator", "a\nb"])
    assert refused.exit_code == 2
    assert "creator_id: character 2" in refused.stderr
    assert not (tmp_path / "store").exists()


def test_a_line_for_programs_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_line({"line": "a\nb"})
    assert json.loads(capsys.readouterr().out) == {"line": "a\nb"}
