"""What operators see of real workers: metrics over HTTP, and a video's trace through two processes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chronos import app
from chronos.devstack.ports import free_port
from chronos.pipeline import FUNCTIONS
from streams.kafka import Outbox
from tests.collector import Collector, collecting
from tests.films import film, noise
from tests.stack import Hands, Stack, new_stack, until

TRACE, PRODUCER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
KEY = "a key that may read"


@dataclass
class Watched:
    stack: Stack
    collector: Collector
    ports: dict[str, int]

    async def series(self, name: str) -> dict[str, float]:
        """The samples of a process by name and labels."""
        return await scraped(f"http://127.0.0.1:{self.ports[name]}/metrics")


async def scraped(url: str) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20)
    assert answer.status_code == 200, answer.text
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """transcribe-video, all other functions and the projection, each in a process of its own."""
    rest = [word for one in FUNCTIONS if one.name != "transcribe-video" for word in ("--function", one.name)]
    parts = {"hearing": ["--function", "transcribe-video"], "rest": rest, "projection": ["--projection"]}
    with new_stack(tmp_path_factory.mktemp("watched")) as stack, collecting() as collector:
        ports = {}
        for name, argv in parts.items():
            ports[name] = free_port()
            more = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                "OTEL_SERVICE_NAME": name,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
                "CHRONOS_READING_KEY": KEY,
                "CHRONOS_LOG": "json",
            }
            stack.start(name, *argv, "--metrics-port", str(ports[name]), more=more)
        yield Watched(stack, collector, ports)


@pytest.fixture(scope="module")
async def hands(watched: Watched) -> AsyncIterator[Hands]:
    async with watched.stack.hands() as hands:
        yield hands


@pytest.fixture(scope="module")
async def embedded(watched: Watched, hands: Hands, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A video whose request a producer sent that makes traces of its own, up to its end."""
    path = await hands.upload(film(tmp_path_factory.mktemp("film") / "a.mp4", (0, noise(4))), "ada")
    value = json.dumps({"videoId": "seen", "creatorId": "ada", "storagePath": path}).encode()
    outbox = Outbox(app.cluster(hands.settings))
    await outbox.send("transcribe.requested", b"ada", value, [("traceparent", f"00-{TRACE}-{PRODUCER}-01".encode())])
    await outbox.close()

    async def over() -> bool:
        return bool(await hands.pool.fetchval("SELECT count(*) FROM videos WHERE status = 'completed'"))

    await until("the video's end", over)


@pytest.mark.usefixtures("embedded")
async def test_a_workers_metrics_tell_its_runs_steps_calls_and_lag(watched: Watched) -> None:
    ours = "function=transcribe-video"

    async def counted() -> dict[str, float] | None:
        series = await watched.series("hearing")
        done = series.get(f"chronos_runs_total{{ending=completed,{ours}}}") == 1
        return series if done and series.get("chronos_lag_events{group=chronos.transcribe-video}") == 0 else None

    series = await until("the run in the metrics", counted)
    assert series[f"chronos_attempts_total{{{ours},outcome=completed}}"] == 1
    assert series[f"chronos_run_seconds_count{{{ours}}}"] == 1
    assert series[f"chronos_step_seconds_count{{{ours},step=download}}"] == 1
    assert series["chronos_paid_calls_total{model=whisper-1,outcome=answered}"] == 1
    assert series["chronos_paid_micro_usd_total{model=whisper-1}"] > 0
    assert series["chronos_memoized_results_total{model=whisper-1}"] == 0
    assert series["chronos_journal_seconds_count{request=begin}"] >= 1
    assert [name for name in series if name.startswith("chronos_provider_breaker_open{")]
    assert (series["chronos_broker_up{}"], series["chronos_database_up{}"]) == (1, 1)
    assert not [name for name in series if "ada" in name or "seen" in name]  # no series for each video


@pytest.mark.usefixtures("embedded")
async def test_the_projection_tells_how_far_it_is(watched: Watched) -> None:
    series = await watched.series("projection")
    assert "chronos_lag_events{group=chronos.projection}" in series
    assert series["chronos_projection_records_total{}"] > 5
    assert series["chronos_projection_checkpoint_timestamp_seconds{}"] > 1e9


@pytest.mark.usefixtures("embedded")
async def test_metrics_want_a_key_where_there_are_keys_and_readiness_does_not(watched: Watched) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{watched.ports['hearing']}") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/ready")).text == "ready"
        assert (await client.get("/live", headers={"Host": "elsewhere.example"})).status_code == 400


@pytest.mark.usefixtures("embedded")
async def test_a_videos_trace_goes_from_its_producer_through_both_functions(watched: Watched) -> None:
    async def told() -> bool:
        return bool(watched.collector.named("run generate-embeddings") and watched.collector.named("embed"))

    await until("the spans of both functions", told)
    (hearing,), (embedding,) = (
        watched.collector.named(f"run {name}") for name in ("transcribe-video", "generate-embeddings")
    )
    assert (hearing.trace_id.hex(), hearing.parent_span_id.hex()) == (TRACE, PRODUCER)
    assert (embedding.trace_id, embedding.parent_span_id) == (hearing.trace_id, hearing.span_id)
    (transcribe,), (embed,) = watched.collector.named("transcribe"), watched.collector.named("embed")
    assert (transcribe.parent_span_id, embed.parent_span_id) == (hearing.span_id, embedding.span_id)
    assert watched.collector.services() >= {"hearing", "rest"}


@pytest.mark.usefixtures("embedded")
def test_a_line_of_the_log_names_its_trace(watched: Watched) -> None:
    lines = [json.loads(line) for line in Path(watched.stack.home / "hearing.log").read_text().splitlines()]
    (done,) = [line for line in lines if line.get("event") == "done"]
    assert (done["trace_id"], done["video"]) == (TRACE, "seen")
