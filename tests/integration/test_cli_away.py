"""Every command while a part is away: one line with the remedy, a code that is not 0, and nothing on stdout."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chronos.devstack.ports import free_port
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics

pytestmark = pytest.mark.long  # each part is waited for until it is known to be away


REQUEST = '{"videoId": "v", "creatorId": "c", "storagePath": "c/v.mp4"}'

TABLES = [("status",), ("status", "v"), ("watch", "v"), ("transcript", "v"), ("search", "words"), ("verify",)]
LOG = [("topics",), ("topics", "--create"), ("send", "transcribe.requested", REQUEST)]
BOTH = [
    ("transcribe", "FILE", "--creator", "c", "--wait"),
    ("journal", "rebuild"),
]
WORKERS = [("worker", "--all"), ("worker", "--projection")]
DATABASE, BROKER = "check DATABASE_URL", "check KAFKA_BOOTSTRAP_SERVERS"

Arguments = tuple[str, ...]


def ended_badly(home: Path, commands: list[Arguments], **env: str) -> dict[Arguments, str]:
    """Runs all of them, a few at a time; gives the one line that each said."""
    film = home / "film.mp4"
    film.write_bytes(b"film")
    named = {"KAFKA_BOOTSTRAP_SERVERS": "", "DATABASE_URL": "", "CHRONOS_HOME": str(home), "COLUMNS": "80"}

    def run(arguments: Arguments) -> str:
        words = [str(film) if word == "FILE" else word for word in arguments]
        command = [sys.executable, "-m", "chronos", *words]
        ended = subprocess.run(command, env=os.environ | named | env, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 1, f"{arguments}: {ended.stdout}{ended.stderr}"
        assert ended.stdout == "", arguments
        said = ended.stderr.splitlines()
        assert len(said) == 1, f"{arguments}: {ended.stderr}"
        return said[0]

    with ThreadPoolExecutor(6) as several:
        return dict(zip(commands, several.map(run, commands), strict=True))


def without(remedy: str, said: dict[Arguments, str]) -> dict[Arguments, str]:
    return {one: line for one, line in said.items() if remedy not in line}


@pytest.fixture
def nowhere() -> str:
    return f"127.0.0.1:{free_port()}"


def test_where_the_broker_alone_is_away_it_is_what_is_named(tmp_path: Path, nowhere: str, database_url: str) -> None:
    needing = [*LOG, *BOTH, ("verify",)]
    said = ended_badly(tmp_path, needing, KAFKA_BOOTSTRAP_SERVERS=nowhere, DATABASE_URL=database_url)
    assert without(BROKER, said) == {}


def test_where_the_database_alone_is_away_it_is_what_is_named(tmp_path: Path, nowhere: str, kafka: str) -> None:
    Topics(Cluster(kafka)).create(TOPICS.values())
    url = f"postgresql://ada:a-password-of-ours@{nowhere}/chronos"
    said = ended_badly(tmp_path, [*TABLES, *BOTH], KAFKA_BOOTSTRAP_SERVERS=kafka, DATABASE_URL=url)
    assert without(DATABASE, said) == {}
    assert "a-password" not in str(said)


@pytest.mark.parametrize("arguments", WORKERS, ids=" ".join)
def test_a_worker_waits_for_both_says_for_what_and_stops_when_told(
    tmp_path: Path, kafka: str, database_url: str, nowhere: str, arguments: Arguments
) -> None:
    Topics(Cluster(kafka)).create(TOPICS.values())
    for broker, database in (
        (nowhere, database_url),
        (kafka, f"postgresql://ada:a-password-of-ours@{nowhere}/chronos"),
    ):
        named = {"KAFKA_BOOTSTRAP_SERVERS": broker, "DATABASE_URL": database, "CHRONOS_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "chronos", *arguments]
        with subprocess.Popen(command, env=os.environ | named, stderr=subprocess.PIPE, text=True) as worker:
            assert worker.stderr is not None
            said = worker.stderr.readline()
            worker.terminate()
            assert worker.wait(30) == 0
        assert "away" in said
        assert "a-password" not in said
