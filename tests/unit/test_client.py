"""The client for producers: what it loads, what it takes, and how far a run has come."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chronos.client import BadSetting, Chronos
from chronos.client.calls import WAY
from projections.videos import WORDS, Status

HEAVY = ("faust", "aiokafka", "confluent_kafka", "asyncpg", "fastapi", "starlette", "openai", "numpy", "fastavro")


def test_it_loads_nothing_of_a_server() -> None:
    program = f"import chronos.client, sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert said.stdout.split() == []


def test_a_run_comes_to_its_end_in_the_order_of_the_tables() -> None:
    ways_out = {Status.FAILED, Status.CANCELLED}
    assert list(WAY) == [WORDS[status] for status in sorted(Status) if status not in ways_out]


def test_a_hash_is_no_key_and_a_name_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHRONOS_READING_KEY", "sha256:00")
    with pytest.raises(BadSetting, match="CHRONOS_READING_KEY is a key's hash"):
        Chronos()
    with pytest.raises(BadSetting, match="CHRONOS_URL is like"):
        Chronos("localhost:8288", reading_key="k")
