"""A system as it should be in production: who may what, and what its operators see of one video."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest

from chronos import acls, app
from chronos.acls import Acl
from chronos.broker import Broker
from chronos.config import Settings
from chronos.kafka_security import KafkaSecurity
from chronos.sides import LAYOUT
from streams.kafka import BrokerAway, Cluster, DeliveryFailed, Outbox, Topics
from tests.films import film, noise
from tests.production import BY_NAME, BY_TOKEN, Production, production
from tests.secured import certificate
from tests.stack import until

TRACE, PRODUCER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    with production(tmp_path_factory.mktemp("production")) as running:
        yield running


@pytest.fixture(scope="module")
async def administrator(running: Production) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(running.stack.database)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def video(
    running: Production, administrator: asyncpg.Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A video up to its end, asked for by a producer that makes traces of its own."""
    store = app.store(Settings(home=running.stack.home))
    path = await store.put(film(tmp_path_factory.mktemp("film") / "a.mp4", (0, noise(4))), "ada")
    value = json.dumps({"videoId": "seen", "creatorId": "ada", "storagePath": path}).encode()
    outbox = Outbox(Cluster(running.stack.bootstrap))
    await outbox.send("transcribe.requested", b"ada", value, [("traceparent", f"00-{TRACE}-{PRODUCER}-01".encode())])
    await outbox.close()

    async def over() -> bool:
        try:
            return bool(await administrator.fetchval(ENDED))
        except asyncpg.UndefinedTableError:
            return False

    await until("the video's end", over)


@pytest.fixture
def cluster(running: Production, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """As the console sees it."""
    for name, value in running.environment("console").items():
        monkeypatch.setenv(name, value)
    return app.cluster(Settings())


ENDED = f"SELECT count(*) FROM {LAYOUT}.videos WHERE status = 'completed'"
OURS = """
SELECT count(*) > 0 AND bool_and(tableowner = 'chronos') FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


@pytest.mark.usefixtures("video")
async def test_a_video_is_done_by_users_with_the_least_leave(administrator: asyncpg.Connection) -> None:
    """On Kafka and in Postgres. That it came to its end is the fixture's."""
    assert await administrator.fetchval(OURS)


async def test_what_a_user_may_not_say_the_broker_refuses(running: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in running.environment("transcribe-video").items():
        monkeypatch.setenv(name, value)
    outbox = Outbox(Cluster(running.bootstrap, KafkaSecurity().librdkafka()))
    with pytest.raises(DeliveryFailed, match=r"[Aa]uthorization"):
        await outbox.send("embeddings.completed", b"k", b"v", [])
    await outbox.close()


async def test_who_does_not_know_the_password_or_the_authority_gets_nowhere(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert await asyncio.to_thread(Topics(cluster).brokers) == 1
    other, _ = certificate(tmp_path_factory.mktemp("other"))
    for wrong in ({"sasl.password": "guessed"}, {"ssl.ca.location": str(other)}):
        with pytest.raises(BrokerAway):
            await asyncio.to_thread(Topics(Cluster(cluster.bootstrap, {**cluster.security, **wrong})).brokers, 2.0)


async def test_an_operator_sees_groups_and_topics_with_the_consoles_leave(cluster: Cluster) -> None:
    broker = Broker(cluster)
    assert all(topic.config for topic in (await asyncio.to_thread(broker.topics)).values())

    async def joined() -> bool:
        (group,) = await asyncio.to_thread(broker.groups, [("chronos.transcribe-video", ["transcribe.requested"])])
        return group.members == 1

    await until("the worker is in its group", joined)


def test_leave_is_drawn_from_what_a_function_reads_and_says() -> None:
    found = {acl.name: acl.operations for acl in acls.of_function(BY_NAME["transcribe-video"])}
    assert found["transcribe.requested"] == ("Read", "Describe")
    assert found["transcription.completed"] == ("Write", "Describe")
    assert found["embeddings.completed"] == ("Describe",)
    assert Acl("group", "chronos.transcribe-video", ("Read",)) in acls.of_function(BY_NAME["transcribe-video"])


@pytest.mark.usefixtures("video")
async def test_a_workers_metrics_tell_its_runs_steps_calls_and_lag(running: Production) -> None:
    ours = "function=transcribe-video"

    async def counted() -> dict[str, float] | None:
        series = await running.series("transcribe-video")
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


@pytest.mark.usefixtures("video")
async def test_the_projection_tells_how_far_it_is(running: Production) -> None:
    series = await running.series("projection")
    assert "chronos_lag_events{group=chronos.projection}" in series
    assert series["chronos_projection_records_total{}"] > 5
    assert series["chronos_projection_checkpoint_timestamp_seconds{}"] > 1e9


@pytest.mark.usefixtures("video")
async def test_metrics_want_a_key_where_there_are_keys_and_readiness_does_not(running: Production) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.ports['transcribe-video']}") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/ready")).text == "ready"
        assert (await client.get("/live", headers={"Host": "elsewhere.example"})).status_code == 400


@pytest.mark.usefixtures("video")
async def test_a_videos_trace_goes_from_its_producer_through_both_functions(running: Production) -> None:
    told = running.collector

    async def whole() -> bool:
        return bool(told.named("run generate-embeddings") and told.named("embed") and told.named("transcribe"))

    await until("the spans of both functions", whole)
    (hearing,), (embedding,) = told.named("run transcribe-video"), told.named("run generate-embeddings")
    assert (hearing.trace_id.hex(), hearing.parent_span_id.hex()) == (TRACE, PRODUCER)
    assert (embedding.trace_id, embedding.parent_span_id) == (hearing.trace_id, hearing.span_id)
    (transcribe,), (embed,) = told.named("transcribe"), told.named("embed")
    assert (transcribe.parent_span_id, embed.parent_span_id) == (hearing.span_id, embedding.span_id)
    assert told.services() >= {"transcribe-video", BY_TOKEN}


@pytest.mark.usefixtures("video")
def test_a_line_of_the_log_names_its_trace(running: Production) -> None:
    lines = [json.loads(line) for line in (running.stack.home / "transcribe-video.log").read_text().splitlines()]
    (done,) = [line for line in lines if line.get("event") == "done"]
    assert (done["trace_id"], done["video"]) == (TRACE, "seen")
