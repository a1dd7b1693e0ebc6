"""The client for producers: what it loads, what it takes, and how far a run has come."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chronos.api import change_forms
from chronos.client import BadSetting, Chronos
from chronos.client.calls import WAY
from chronos.client.watching import Watch
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


RUN = "00000000-0000-7000-8000-000000000000"


def change(status: str | None) -> change_forms.Change:
    place = change_forms.Place(topic="t", partition=0, offset=0)
    me = {"id": RUN, "run_id": RUN, "video_id": "a", "creator_id": "a", "event": "e", "at": 0, "place": place}
    return change_forms.Change.model_validate(me | {"status": status, "function": None, "attempt": None, "error": None})


@pytest.mark.parametrize(
    ("line", "told", "stops"),
    [
        (f"data: {change('transcribing').model_dump_json()}", False, False),
        (f"data: {change(None).model_dump_json()}", False, False),
        (f"data: {change('embedding').model_dump_json()}", True, True),
        (f"data: {change('completed').model_dump_json()}", True, True),
        (f"data: {change('failed').model_dump_json()}", True, True),
        (f"data: {change_forms.Reset(reason='behind').model_dump_json()}", False, True),
        ("event: status", False, False),
        ("id: abc", False, False),
    ],
)
def test_a_stream_tells_what_is_waited_for_or_that_it_cannot(line: str, *, told: bool, stops: bool) -> None:
    watch = Watch(RUN, "embedding", 10.0)
    assert (watch.hears(line), watch.told) == (stops, told)


def test_a_stream_that_has_nothing_to_tell_is_left_for_a_look() -> None:
    """What was told before it was opened, and folded after the look, is not told again."""
    watch, data = Watch(RUN, "completed", 10.0), f"data: {change('embedding').model_dump_json()}"
    assert not any(watch.hears(line) for line in ("retry: 1000", "", "id: a", "event: status", data, "", "id: b"))
    assert watch.hears("")
