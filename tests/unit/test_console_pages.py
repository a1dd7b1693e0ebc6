"""What the console's pages work out before they are drawn: minutes, sums, places on the log, the pipeline's picture."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from chronos.api import looking
from chronos.api.keys import Key, Keyring
from chronos.api.pace import Pace
from chronos.api.system_forms import FailureClass, LogEvent, LogPage, Minute, Overview, Span, Topic
from chronos.api.usage import DaySum
from chronos.config import UNLIMITED
from chronos.console import log, overview, usage
from chronos.console.charts import HEIGHT, bars
from chronos.console.drawing import picture
from chronos.costs import COLUMNS, as_csv
from chronos.graph import Graph, Node, graph
from schemas.catalogue import CATALOGUE
from streams.kafka import BrokerAway

NOW = datetime(2026, 11, 26, 12, 0, 30, tzinfo=UTC)


def ended(minutes_ago: int, function: str = "f", **counts: int) -> Minute:
    at = NOW.replace(second=0) - timedelta(minutes=minutes_ago)
    return Minute(minute=at, function=function, **({"completed": 0, "failed": 0, "cancelled": 0} | counts))


def test_an_hour_has_sixty_minutes_also_where_nothing_ended() -> None:
    found = overview.by_minute([ended(0, completed=2), ended(0, "g", failed=1), ended(60, completed=9)], NOW)
    assert len(found) == 60
    assert (found[-1].completed, found[-1].failed) == (2, 1)
    assert sum(one.completed for one in found) == 2  # what is an hour old has gone


async def test_who_may_see_one_creators_videos_alone_comes_to_those() -> None:
    answer = await overview.home(request=None, has=None, key=Key(b"", "ada"))  # type: ignore[arg-type]
    assert answer.headers["location"] == "/videos"


async def test_while_the_broker_is_away_the_overview_shows_what_the_tables_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def seen(*_: object) -> Overview:
        class_ = FailureClass(function="f", error_type="ObjectMissing", retryable=False, failures=7, last_at=NOW)
        return Overview(throughput=[], load=[], failures=[class_], paid_micro_usd=1, saved_micro_usd=0)

    async def away(*_: object) -> None:
        raise BrokerAway("no broker answers at 127.0.0.1:1")

    monkeypatch.setattr(looking, "overview", seen)
    monkeypatch.setattr(looking, "functions", away)
    app = FastAPI()
    app.include_router(overview.router)
    app.state.resources = SimpleNamespace(keyring=Keyring.of([], [], []), pace=Pace(UNLIMITED, UNLIMITED))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    assert "no broker answers at 127.0.0.1:1" in answer.text
    assert "ObjectMissing" in answer.text


def test_bars_stand_on_each_other_and_the_tallest_is_as_tall_as_the_chart() -> None:
    chart = bars({"completed": [3, 0, 1], "failed": [1, 0, 0], "cancelled": [0, 0, 0]})
    assert chart.most == 4
    assert set(chart.paths) == {"completed", "failed"}  # of what there is none of, nothing is drawn
    assert chart.paths["completed"] == "M0 40.0v-30.0h8v30.0zM20 40.0v-10.0h8v10.0z"
    assert chart.paths["failed"] == f"M0 {HEIGHT - 30:.1f}v-10.0h8v10.0z"


def test_a_chart_of_nothing_is_drawn() -> None:
    assert bars({"completed": []}).paths == {}
    assert bars({"completed": [0, 0]}).paths == {}


def test_one_of_a_thousand_is_seen() -> None:
    assert "v-1.0h" in bars({"failed": [1, 1000]}).paths["failed"]


def test_a_chart_of_days_has_a_place_for_those_without_usage() -> None:
    days = [DaySum(day=date(2026, 11, day), paid_micro_usd=1, saved_micro_usd=0) for day in (26, 23)]
    assert [one.day.day for one in usage.daily(days)] == [23, 24, 25, 26]
    assert [one.paid_micro_usd for one in usage.daily(days)] == [1, 0, 0, 1]
    assert usage.daily([]) == []


def test_a_day_that_is_not_named_is_the_usual_one_and_an_empty_one_is_none() -> None:
    assert usage.Asked.model_validate({}).wished().since == datetime.now(UTC).date() - timedelta(days=usage.DAYS - 1)
    assert usage.Asked.model_validate({"since": "", "creator": ""}).wished() == usage.usage.Wished()
    assert usage.Asked.model_validate({"since": "2026-11-01"}).wished().since == date(2026, 11, 1)


@pytest.mark.parametrize("creator", ["x" * 201, "a\x00b"])
def test_a_creator_that_no_table_can_hold_is_refused(creator: str) -> None:
    with pytest.raises(ValidationError):
        usage.Asked.model_validate({"creator": creator})


def row(**more: Any) -> dict[str, Any]:
    return {
        "day": date(2026, 11, 26), "creator_id": "ada", "function": "transcribe-video", "model": "whisper-1",
        "kind": "audioSeconds", "memoized": False, "quantity": 60.0, "cost_micro_usd": 6_000, **more,
    }  # fmt: skip


@pytest.mark.parametrize("creator", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("x","y")'])
def test_no_cell_of_the_csv_is_a_formula(creator: str) -> None:
    [_, cells] = csv.reader("".join(as_csv([row(creator_id=creator)])).splitlines())
    assert cells[COLUMNS.index("creatorId")] == f"'{creator}"


def test_the_csv_says_what_was_paid_and_how() -> None:
    found = list(csv.DictReader("".join(as_csv([row(), row(memoized=True, model=None)])).splitlines()))
    assert [one["how"] for one in found] == ["paid", "remembered"]
    assert (found[0]["usd"], found[0]["quantity"], found[1]["model"]) == ("0.006000", "60.000", "")


TOPIC = Topic(
    topic="transcribe.requested",
    kind="command",
    key="creatorId",
    events=200,
    partitions=[Span(partition=n, first=10, next=110) for n in range(2)],
)


def event(offset: int) -> LogEvent:
    nothing = dict.fromkeys(
        ("key", "event_id", "run_id", "cause_id", "function", "creator_id", "video_id", "payload", "problem")
    )
    return LogEvent(topic=TOPIC.topic, partition=1, offset=offset, at=NOW, bytes=1, **nothing)


def logged(*offsets: int) -> LogPage:
    return LogPage(events=[event(offset) for offset in offsets], scanned=len(offsets), cut=True)


def test_an_event_is_shown_whole_only_if_it_stands_where_it_was_asked_for() -> None:
    asked = log.Asked(topic=TOPIC.topic, partition=1, offset=30)
    assert log.chosen(asked, logged(30, 31)) == event(30)
    assert log.chosen(asked, logged(31)) is None
    assert log.chosen(log.Asked(topic=TOPIC.topic, partition=1), logged(109)) is None


def test_one_goes_back_in_a_partition_as_far_as_its_first_event() -> None:
    def older(*offsets: int, **asked: int) -> int | None:
        return log.older(log.Asked(topic=TOPIC.topic, **asked), logged(*offsets), TOPIC)

    assert older(109, 60, partition=1) == 10
    assert older(100, partition=1, offset=100) == 50
    assert older(30, partition=1, offset=30) == 10
    assert older(10, partition=1, offset=10) is None
    assert older(109) is None  # of all partitions together there is no such place


def test_the_picture_has_each_name_once_and_nothing_stands_on_anything() -> None:
    drawn = picture(graph())
    names = [box.name for box in drawn.boxes]
    assert sorted(names) == sorted({*graph().topics(), *(one.name for one in graph().functions)})
    for n, box in enumerate(drawn.boxes):
        assert 0 <= box.x < box.x + box.width <= drawn.width
        assert 0 <= box.y < box.y + box.height <= drawn.height
        for other in drawn.boxes[n + 1 :]:
            apart = abs(box.x - other.x) >= min(box.width, other.width) or abs(box.y - other.y) >= box.height
            assert apart, (box, other)


def test_who_reads_a_topic_stands_to_the_right_of_it() -> None:
    at = {box.name: box.x for box in picture(graph()).boxes}
    edges = set(graph().edges())
    back = {(source, target) for source, target in edges if (target, source) in edges and target in CATALOGUE}
    assert back == {("send-webhooks", "function.failed")}
    assert all(at[source] < at[target] for source, target in edges - back)


def test_a_pipeline_that_leads_back_to_its_beginning_is_drawn() -> None:
    circle = Graph((Node("a", 1, "", ("x.said",), ("y.said",)), Node("b", 1, "", ("y.said",), ("x.said",))))
    assert len(picture(circle).boxes) == 4
