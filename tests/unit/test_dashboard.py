"""The table of `chronos dev`: who works, how far behind, and what is wrong, at a glance."""

from __future__ import annotations

import io

from rich.console import Console

from chronos.broker import Group
from chronos.dashboard import Seen, groups, table
from chronos.pipeline import FUNCTIONS

PLACES = {"Kafka": "127.0.0.1:9092", "Postgres": "127.0.0.1:5432/chronos", "AI": "http://127.0.0.1:8080/v1"}
VIDEO = {
    "videoId": "[bold]v1",
    "creatorId": "ada",
    "title": "Tides",
    "durationSeconds": 70.0,
    "language": "en",
    "status": "failed",
    "held": None,
    "costMicroUsd": 0,
    "error": {"message": "no sound"},
}


def seen_as(seen: Seen) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(table(PLACES, seen))
    return console.export_text()


def test_every_function_and_the_projection_have_a_row() -> None:
    shown = [name for name, _ in groups("chronos.projection")]
    assert shown == [*(function.group() for function in FUNCTIONS), "chronos.projection"]


def test_places_workers_and_what_waits_are_shown() -> None:
    some = (Group("chronos.transcribe-video", 2, 12_345), Group("chronos.projection", 0, 0))
    shown = seen_as(Seen(some, (VIDEO,)))
    assert all(place in shown for place in PLACES.values())
    assert "transcribe-video  2 running  12,345" in shown
    assert "projection        none       0" in shown
    assert "[bold]v1" in shown  # a name's brackets are no markup
    assert "failed: no sound" in shown


def test_what_keeps_it_from_seeing_is_said_beside_what_was_seen_before() -> None:
    shown = seen_as(Seen((Group("chronos.projection", 1, 0),), (), "no broker answers"))
    assert "no broker answers" in shown
    assert "projection" in shown


def test_before_the_first_look_it_says_so() -> None:
    assert "looking" in seen_as(Seen())
