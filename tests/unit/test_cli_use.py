"""What the command line says to people and to programs before it needs a broker or a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from chronos.cli import stack
from chronos.cli.root import app
from chronos.devstack import control
from schemas.people import EXAMPLES, from_json

STACK = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "CHRONOS_HOME")
NOWHERE = "127.0.0.1:1"
PASSWORD = "a-password-of-ours"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing runs, and an environment that names nothing."""
    for name in STACK:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def run(home: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments], input=stdin)


def one_line(result: Result) -> str:
    """What was said on stderr, which must be a single line without a trace."""
    assert "Traceback" not in result.output
    [line] = result.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("topic", EXAMPLES)
def test_an_example_is_taken_by_the_topic_that_it_is_for(home: Path, topic: str) -> None:
    shown = run(home, "send", topic, "--example")
    assert shown.exit_code == 0
    assert from_json(topic, shown.stdout.encode()).name == topic


@pytest.mark.parametrize("topic", EXAMPLES)
def test_an_example_without_one_of_its_required_fields_is_refused_by_that_fields_name(home: Path, topic: str) -> None:
    given = {key: value for key, value in EXAMPLES[topic].items() if key not in ("videoId", "batchId")}
    refused = run(home, "send", topic, json.dumps(given))
    assert refused.exit_code == 2
    assert ("batchId" if "batchId" in EXAMPLES[topic] else "videoId") in one_line(refused)


@pytest.mark.parametrize("payload", ["{", "[]", '"text"', "@/no/such/file"])
def test_what_is_no_json_object_is_wrong_use(home: Path, payload: str) -> None:
    refused = run(home, "send", "transcribe.requested", payload)
    assert refused.exit_code == 2
    assert one_line(refused)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("share", "v", "--at", "soon"), "give 62, 1:02"),
        (("export", "v", "--format", "pdf"), "srt, vtt, txt, json, md"),
        (("export", "v", "--output", "tides.pdf"), "srt, vtt, txt, json, md"),
    ],
)
def test_what_cannot_be_taken_away_is_refused_with_what_can(home: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = run(home, *arguments)
    assert refused.exit_code == 2
    assert said in " ".join(refused.stderr.replace("│", " ").split())


def test_a_fact_cannot_be_sent_by_hand_and_the_commands_are_named(home: Path) -> None:
    refused = run(home, "send", "transcription.completed", "{}")
    assert refused.exit_code == 2
    assert "transcribe.requested" in one_line(refused)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "v", "--json"),
        ("transcript", "v"),
        ("export", "v"),
        ("export", "v", "--format", "vtt", "--json"),
        ("chapters", "v"),
        ("share", "v", "--at", "1:02"),
        ("search", "words"),
        ("watch", "v"),
        ("watch", "v", "--json"),
        ("transcribe", __file__, "--creator", "ada"),
        ("topics",),
        ("topics", "--create", "--json"),
        ("send", "transcribe.requested", json.dumps(EXAMPLES["transcribe.requested"])),
        ("verify",),
        ("journal", "rebuild"),
        ("worker",),
        ("worker", "--all", "--json"),
        ("worker", "--projection"),
    ],
)
def test_without_a_stack_the_remedy_is_named(home: Path, arguments: tuple[str, ...]) -> None:
    failed = run(home, *arguments)
    assert failed.exit_code == 1
    assert "chronos dev" in one_line(failed)
    assert failed.stdout == ""  # a program that reads JSON gets none, and not half of one


@pytest.mark.parametrize("arguments", [("status",), ("transcript", "v")])
def test_a_database_that_is_away_is_named_without_its_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", NOWHERE)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://chronos:{PASSWORD}@{NOWHERE}/chronos")
    failed = run(home, *arguments)
    assert failed.exit_code == 1
    assert NOWHERE in one_line(failed)
    assert PASSWORD not in failed.output


def test_an_unknown_function_is_refused_with_the_names_of_all(home: Path) -> None:
    refused = run(home, "worker", "--function", "transcode")
    assert refused.exit_code == 2
    assert "transcribe-video" in one_line(refused)


@pytest.mark.parametrize("arguments", [("frobnicate",), ("search",), ("transcribe", "/no/such/file", "--creator", "a")])
def test_a_wrong_call_ends_with_2(home: Path, arguments: tuple[str, ...]) -> None:
    assert run(home, *arguments).exit_code == 2


def test_an_offset_without_its_partition_is_wrong_use(home: Path) -> None:
    refused = run(home, "events", "transcribe.requested", "--offset", "3")
    assert refused.exit_code == 2
    assert "--partition" in one_line(refused)


def test_a_worker_cannot_be_told_all_and_some(home: Path) -> None:
    refused = run(home, "worker", "--all", "--projection")
    assert refused.exit_code == 2
    assert "--all" in one_line(refused)


def test_stop_where_nothing_runs_is_no_error(home: Path) -> None:
    assert run(home, "stop").exit_code == 0
    assert run(home, "stop", "--check").exit_code == 0


@pytest.mark.parametrize("arguments", [("stop",), ("stop", "--check")])
def test_stop_says_what_it_did_as_json(home: Path, arguments: tuple[str, ...]) -> None:
    said = json.loads(run(home, *arguments, "--json").stdout)
    assert said == {"home": str(home), "stopped": False, "running": False}


def test_the_version_is_there_as_json(home: Path) -> None:
    assert set(json.loads(run(home, "version", "--json").stdout)) == {"version", "python"}


def test_logs_are_one_line_of_json_each_and_their_absence_has_a_remedy(home: Path) -> None:
    missing = run(home, "logs", "--json")
    assert missing.exit_code == 1
    assert "chronos dev" in one_line(missing)
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "functions.log").write_text("first\n[bold]second[/]\n")
    shown = [json.loads(line) for line in run(home, "logs", "--json").stdout.splitlines()]
    assert shown == [{"log": "functions", "line": "first"}, {"log": "functions", "line": "[bold]second[/]"}]
    assert "functions" in one_line(run(home, "logs", "kafka"))


COMMANDS = {
    path: command
    for name, group in get_command(app).commands.items()
    for path, command in ({name: group} if not hasattr(group, "commands") else
                          {f"{name} {sub}": one for sub, one in group.commands.items()}).items()
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(name: str) -> None:
    assert "--json" in {option for one in COMMANDS[name].params for option in one.opts}


def test_the_home_may_be_named_behind_the_command(home: Path) -> None:
    failed = CliRunner().invoke(app, ["status", "--home", str(home)])
    assert str(home) in one_line(failed).replace("\n", "")


@pytest.fixture
def full(home: Path) -> Path:
    """A home as a stack leaves it, with one uploaded video."""
    for file in ("kafka/log", "postgres/base", "store/ada/film.mp4", "scratch/x", "logs/kafka.log", "lectures/one.mp4"):
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_bytes(b"data")
    (home / "ai-bill.jsonl").write_text("{}\n")
    return home


def test_a_reset_removes_all_that_belongs_to_the_log_and_says_so_of_the_videos(full: Path) -> None:
    removed = control.reset(full)
    assert removed is not None
    assert removed.videos == 1
    assert "store (1 uploaded video)" in str(removed)
    assert {place.name for place in full.iterdir()} == {"lectures", "dev.lock"}


def test_a_reset_that_is_not_agreed_to_removes_nothing(full: Path) -> None:
    before = sorted(full.rglob("*"))
    assert control.reset(full, agreed=lambda doomed: False) is None
    assert sorted(place for place in full.rglob("*") if place.name != "dev.lock") == before


def test_where_nobody_can_answer_a_reset_does_not_ask(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_run_dev", lambda *_: None)
    said = run(full, "dev", "--reset")
    assert said.exit_code == 0
    assert "1 uploaded video" in one_line(said)
    assert not (full / "store").exists()


def test_in_a_terminal_a_reset_asks_first_and_no_keeps_everything(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_run_dev", lambda *_: None)
    monkeypatch.setattr(stack, "_can_answer", lambda: True)
    refused = run(full, "dev", "--reset", stdin="n\n")
    assert refused.exit_code == 1
    assert "1 uploaded video" in refused.stderr
    assert "nothing was removed" in refused.stderr
    assert (full / "store" / "ada" / "film.mp4").exists()
    assert run(full, "dev", "--reset", stdin="y\n").exit_code == 0
    assert not (full / "store").exists()


def test_doctor_names_a_remedy_for_each_fault_as_json(home: Path) -> None:
    checked = run(home, "doctor", "--json")
    assert checked.exit_code == 1
    checks = json.loads(checked.stdout)["checks"]
    assert all(check["remedy"] for check in checks if not check["ok"])
    assert {"name", "ok", "found", "remedy"} == set(checks[0])
