"""Our registry, asked by those whom it is for: Confluent's clients, and Kafka UI's manner of asking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from chronos.api.server import create_app
from chronos.config import Settings
from chronos.subjects import by_subject
from schemas.avro import decode, encode
from schemas.event import Coordinates, Event
from schemas.released import releases
from schemas.topics import DEAD_LETTER, TOPICS
from schemas.transcription import AudioExtracted, TranscribeRequested
from streams.deadletter import dead_letter
from streams.kafka import Cluster, Outbox, Topics
from streams.reading import LogScan
from streams.record import Record
from tests.golden.examples import EXAMPLES
from tests.golden.make import GOLDEN
from tests.sockets import served

SUBJECT = "audio.extracted-value"


@pytest.fixture(scope="module")
def settings(kafka: str, database_url: str) -> Settings:
    Topics(Cluster(kafka)).create(TOPICS.values())
    return Settings(kafka_bootstrap_servers=kafka, database_url=database_url)


@pytest.fixture(scope="module")
def registry(settings: Settings) -> Iterator[str]:
    with served(create_app(settings)) as url:
        yield url


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry}) as client:
        yield client


def example_of(topic: str) -> Event:
    """An event of a topic; the dead letters hold what another topic's bytes were."""
    name = "transcribe.requested" if topic == DEAD_LETTER else topic
    return next(event for event in EXAMPLES if event.name == name)


def record_of(topic: str) -> Record:
    event = example_of(topic)
    record = Record(event.name, 0, 0, 0, event.key().encode(), encode(event), ())
    return dead_letter(record, "chronos.test", ValueError("refused")) if topic == DEAD_LETTER else record


async def test_confluents_deserializer_reads_a_record_of_every_topic(kafka: str, client: SchemaRegistryClient):
    outbox, scan, read = Outbox(Cluster(kafka)), LogScan(Cluster(kafka)), AvroDeserializer(client)
    places: dict[str, Coordinates] = {}
    for topic in TOPICS:
        record = record_of(topic)
        places[topic] = (await outbox.send(topic, record.key, record.value, record.headers)).place
    await outbox.close()
    for topic, place in places.items():
        at = (topic, place.partition)
        [record] = [r for batch in scan.read({at: place.offset + 1}, {at: place.offset}) for r in batch]
        read_by_them = read(record.value, SerializationContext(topic, MessageField.VALUE))
        assert read_by_them == example_of(topic).model_dump(by_alias=True), topic


@pytest.mark.parametrize("wire", sorted(GOLDEN.glob("*.bin")), ids=lambda file: file.name)
def test_what_older_versions_wrote_is_read_as_well(client: SchemaRegistryClient, wire: Any):
    read = AvroDeserializer(client)(wire.read_bytes(), None)
    assert set(read) <= set(
        decode(type(example_of(wire.stem.rpartition(".v")[0])), wire.read_bytes()).model_dump(by_alias=True)
    )
    assert read


@pytest.mark.parametrize("latest", [True, False])
def test_what_confluents_serializer_writes_is_what_we_write(client: SchemaRegistryClient, latest: bool):
    event = example_of("transcribe.requested")
    schema = json.dumps(releases()["transcribe.requested", 1].definition)
    conf = {"auto.register.schemas": False, "use.latest.version": latest}
    write = AvroSerializer(client, schema, conf=conf)
    value = write(event.model_dump(by_alias=True), SerializationContext("transcribe.requested", MessageField.VALUE))
    assert decode(TranscribeRequested, value) == event
    assert value == encode(event)


def test_nothing_can_be_registered_and_the_remedy_is_named(client: SchemaRegistryClient):
    schema = json.dumps({"type": "record", "name": "Mine", "fields": []})
    write = AvroSerializer(client, schema)
    with pytest.raises(SchemaRegistryError, match="read-only") as refused:
        write({}, SerializationContext("transcribe.requested", MessageField.VALUE))
    assert (refused.value.http_status_code, refused.value.error_code) == (405, 405)


def test_confluents_client_finds_its_way(client: SchemaRegistryClient):
    assert (
        set(client.get_subjects()) == set(by_subject()) == {f"{name}-value" for name in TOPICS if name != DEAD_LETTER}
    )
    newest = AudioExtracted.version
    assert client.get_versions(SUBJECT) == list(range(1, newest + 1))
    latest = client.get_latest_version(SUBJECT)
    assert (latest.version, latest.subject) == (newest, SUBJECT)
    assert client.get_schema(latest.schema_id).schema_str == latest.schema.schema_str
    assert client.get_subjects_by_schema_id(latest.schema_id) == [SUBJECT]
    assert [(one.subject, one.version) for one in client.get_schema_versions(latest.schema_id)] == [(SUBJECT, newest)]
    assert client.lookup_schema(SUBJECT, client.get_version(SUBJECT, 1).schema).version == 1
    assert (
        client.get_config().compatibility_level == client.get_config(SUBJECT).compatibility_level == "FULL_TRANSITIVE"
    )
    assert client.get_global_mode() == client.get_mode(SUBJECT) == "READONLY"
    assert client.get_schema_types() == ["AVRO"]


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json", "application/json"),
        ("application/vnd.schemaregistry.v1+json, application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry.v1+json"),
    ],
)
def test_kafka_ui_gets_the_media_type_that_it_reads(registry: str, accept: str, answered: str):
    for path in ("/subjects?deleted=false&odd=1", "/subjects/none/versions", f"/subjects/{SUBJECT}/versions/latest"):
        assert httpx.get(registry + path, headers={"Accept": accept}).headers["content-type"] == answered


@pytest.mark.parametrize("path", ["/config", "/config/", f"/config/{SUBJECT}?defaultToGlobal=true", "/mode", "/mode/"])
def test_kafka_ui_is_sent_nowhere_else(registry: str, path: str):
    assert httpx.get(registry + path, follow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/schemas/ids/4711", 404, 40403),
        ("GET", "/schemas/ids/4711/versions", 404, 40403),
        ("GET", "/schemas/ids/none", 422, 422),
        ("GET", "/subjects/none-value/versions", 404, 40401),
        ("GET", "/config/none-value", 404, 40401),
        ("GET", f"/subjects/{SUBJECT}/versions/9", 404, 40402),
        ("GET", f"/subjects/{SUBJECT}/versions/newest", 404, 40402),
        ("POST", "/subjects/none-value", 404, 40401),
        ("POST", f"/subjects/{SUBJECT}", 422, 42201),
        ("PUT", "/config", 405, 405),
        ("PUT", f"/mode/{SUBJECT}", 405, 405),
        ("DELETE", f"/subjects/{SUBJECT}", 405, 405),
        ("DELETE", f"/subjects/{SUBJECT}/versions/1", 405, 405),
    ],
)
def test_what_is_wrong_is_said_in_a_registrys_form(registry: str, method: str, path: str, status: int, code: int):
    answer = httpx.request(method, registry + path, json={"schema": '{"type": "odd"}'})
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.json()["message"]


def test_a_reading_key_opens_it_also_by_basic_authentication(settings: Settings):
    keys = {"event_key": ("sender",), "reading_key": ("reader",), "operating_key": ("boss",)}
    with served(create_app(settings.model_copy(update=keys))) as url:
        assert subjects_seen_by({"url": url, "basic.auth.user.info": "reader:"})
        assert subjects_seen_by({"url": url, "basic.auth.user.info": "anybody:reader"})
        for wrong, status in ((":", 401), ("reader:guess", 403), ("sender:", 403)):
            with pytest.raises(SchemaRegistryError, match="key") as refused:
                subjects_seen_by({"url": url, "basic.auth.user.info": wrong})
            assert (refused.value.http_status_code, refused.value.error_code) == (status, status)


def subjects_seen_by(conf: dict[str, str]) -> list[str]:
    with SchemaRegistryClient(conf) as client:
        return client.get_subjects()
