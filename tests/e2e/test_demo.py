"""The demo as a newcomer runs it, and what a person asks of the stack afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from chronos.devstack import control
from chronos.devstack.home import Info, read_dev_json
from chronos.devstack.kafka import kafka_tool
from chronos.pipeline import FUNCTIONS

pytestmark = pytest.mark.timeout(400)

ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL")
} | {"COLUMNS": "200"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "home"


def chronos(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "chronos", *args, "--home", str(home)]
    return subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, timeout=200, check=False)


def until(what: str, holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return found


def processes_of(home: Path) -> list[str]:
    """Command lines of all that runs for this home."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(home) in line and process.info["pid"] != os.getpid():
            found.append(line)
    return found


def test_the_demo_finds_each_answer_at_its_second_and_leaves_nothing_running(home: Path) -> None:
    shown = chronos(home, "demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.count("completed") == 3
    assert shown.stdout.count("✓") == 3
    assert "0 results were remembered" in shown.stdout
    assert processes_of(home) == []


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Info]:
    """The demo's home with its stack up, after the demo."""
    up = chronos(home, "dev", "--detach")
    assert up.returncode == 0, up.stderr
    info = read_dev_json(home)
    assert info is not None
    yield info
    control.stop(home)


def test_the_stack_has_the_console_too(running: Info) -> None:
    assert running.console_url
    answer = httpx.get(f"{running.console_url}/videos")
    assert answer.status_code == 200
    assert "how-tides-work" in answer.text
    media = httpx.get(f"{running.console_url}/v1/videos/ada/how-tides-work/media", headers={"Range": "bytes=0-99"})
    assert (media.status_code, len(media.content)) == (206, 100)


def test_a_second_demo_buys_nothing(home: Path, running: Info) -> None:
    shown = chronos(home, "demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "0 calls of the provider were made, 6 results were remembered" in shown.stdout
    assert read_dev_json(home) == running, "it stopped a stack that it had not started"


def test_doctor_is_content_with_the_demos_stack(home: Path, running: Info) -> None:
    looked = chronos(home, "doctor", "--json")
    assert looked.returncode == 0, looked.stdout + looked.stderr


def test_json_has_the_names_that_programs_rely_on(home: Path, running: Info) -> None:
    status = json.loads(chronos(home, "status", "how-tides-work", "--json").stdout)
    names = [
        "videoId",
        "creatorId",
        "runId",
        "status",
        "held",
        "title",
        "durationSeconds",
        "language",
        "costMicroUsd",
        "error",
    ]
    assert list(status) == names
    assert status["language"] == "en"
    transcript = json.loads(chronos(home, "transcript", "how-tides-work", "--json").stdout)
    assert list(transcript) == ["videoId", "language", "text", "segments"]
    assert set(transcript["segments"][0]) == {"start", "end", "text"}
    hits = json.loads(chronos(home, "search", "high", "tide", "--creator", "ada", "--json").stdout)["hits"]
    assert {"videoId", "title", "startSeconds", "endSeconds", "text", "score"} <= set(hits[0])


def test_kafkas_own_tools_produce_a_request_and_list_the_functions_with_their_lag(home: Path, running: Info) -> None:
    known = json.loads(chronos(home, "status", "why-bread-rises", "--json").stdout)
    stored = next((home / "store" / "marco").iterdir())
    asked = {"videoId": "by-hand", "creatorId": "marco", "storagePath": f"marco/{stored.name}", "title": "By hand"}
    produce = ("--bootstrap-server", running.bootstrap, "--topic", "transcribe.requested")
    produced = kafka_tool("kafka-console-producer", *produce, stdin=json.dumps(asked) + "\n")
    assert produced.returncode == 0, produced.stderr

    def completed() -> bool:
        shown = chronos(home, "status", "by-hand", "--json")
        return shown.returncode == 0 and json.loads(shown.stdout)["status"] == "completed"

    until("the request by hand is completed", completed)
    assert known["status"] == "completed"
    listed = kafka_tool("kafka-consumer-groups", "--bootstrap-server", running.bootstrap, "--describe", "--all-groups")
    for function in FUNCTIONS:
        assert f"chronos.{function.name} " in listed.stdout


SPEECH = Path(__file__).parents[3] / "shared" / "data" / "speech"
needs_speech = pytest.mark.skipif(not SPEECH.exists(), reason=f"the human speech is not beside the project: {SPEECH}")


@needs_speech
def test_a_humans_words_are_found_at_their_second(home: Path, running: Info) -> None:
    """Kennedy begins "ask not" 3.3 s into the recording (its own waveform: speech resumes there after a pause)."""
    asked = chronos(home, "transcribe", str(SPEECH / "jfk.flac"), "--creator", "kennedy", "--wait", "--json")
    assert asked.returncode == 0, asked.stderr
    said = json.loads(asked.stdout)
    words = "ask not what your country can do for you"
    assert words in json.loads(chronos(home, "transcript", said["videoId"], "--json").stdout)["text"]
    hits = json.loads(chronos(home, "search", words, "--creator", "kennedy", "--json").stdout)["hits"]
    assert hits[0]["videoId"] == said["videoId"]
    assert abs(hits[0]["startSeconds"] - 3.3) <= 2.0
    assert words in hits[0]["text"]


@needs_speech
@pytest.mark.parametrize(("name", "words"), [("austen-1.wav", ["leisure", "power"]), ("austen-2.wav", ["young man"])])
def test_other_voices_are_heard_too(home: Path, running: Info, name: str, words: list[str]) -> None:
    asked = chronos(home, "transcribe", str(SPEECH / name), "--creator", "austen", "--wait", "--json")
    assert asked.returncode == 0, asked.stderr
    text = json.loads(chronos(home, "transcript", json.loads(asked.stdout)["videoId"], "--json").stdout)["text"]
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("part", "pid"),
    [("ai", lambda info: info.ai_pid), ("broker", lambda info: info.kafka_pid)],
    ids=["ai", "broker"],
)
def test_doctor_names_one_remedy_for_a_part_that_is_away(
    home: Path, running: Info, part: str, pid: Callable[[Info], int]
) -> None:
    """A stopped process is away as a dead one is, and nobody starts it again meanwhile."""
    info = read_dev_json(home)
    assert info is not None
    os.kill(pid(info), signal.SIGSTOP)
    try:
        looked = chronos(home, "doctor", "--json")
    finally:
        os.kill(pid(info), signal.SIGCONT)
    assert looked.returncode == 1
    faults = [check for check in json.loads(looked.stdout)["checks"] if not check["ok"]]
    assert [fault["name"] for fault in faults] == [part]
    assert faults[0]["remedy"]


@pytest.mark.parametrize("moment", ["kafka", "functions", pytest.param("lectures", marks=pytest.mark.long)])
def test_ctrl_c_at_this_moment_of_the_demo_leaves_nothing(home: Path, tmp_path: Path, moment: str) -> None:
    if (home / "lectures").exists():  # made by the first test
        shutil.copytree(home / "lectures", tmp_path / "lectures")
    argv = [sys.executable, "-m", "chronos", "demo", "--home", str(tmp_path)]
    said = tmp_path.with_suffix(".log")
    with said.open("wb") as output:
        shown = subprocess.Popen(argv, env=ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT)
    try:
        until(f"the demo speaks of {moment}", lambda: f" {moment}" in said.read_text(), 120)
        shown.send_signal(signal.SIGINT)
        assert shown.wait(60) == 130
    finally:
        if shown.poll() is None:
            shown.kill()
            shown.wait()
    assert "Traceback" not in said.read_text()
    until("nothing is left", lambda: not processes_of(tmp_path), 10)
