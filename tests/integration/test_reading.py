"""Reads of whole topics on a real broker: they end where the log ends, whatever stands there."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it is there

from streams.kafka import Cluster
from streams.reading import LogScan, Place
from streams.record import Record


@pytest.fixture
def topic(kafka: str) -> str:
    name = f"read-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(30)
    return name


def read(scan: LogScan, ends: dict[Place, tuple[int, int]]) -> list[Record]:
    begins, until = {p: low for p, (low, _) in ends.items()}, {p: high for p, (_, high) in ends.items()}
    return [record for batch in scan.read(until, begins) for record in batch]


def test_a_partition_that_ends_with_a_transaction_is_read_to_its_end(kafka: str, topic: str):
    """Its marker has an offset and is no record: it was waited for in vain, and the broker said to be away."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(30)
    for given_up in (False, True):
        producer.begin_transaction()
        for partition in (0, 1):
            producer.produce(topic, b"words", partition=partition)
        producer.flush(30)
        producer.abort_transaction(30) if given_up else producer.commit_transaction(30)
    scan = LogScan(Cluster(kafka))
    ends = scan.ends({topic: 2})
    assert ends == {(topic, 0): (0, 4), (topic, 1): (0, 4)}
    began = time.monotonic()
    assert [record.value for record in read(scan, ends)] == [b"words", b"words"]
    assert time.monotonic() - began < 10


def test_what_comes_behind_the_end_that_was_asked_for_is_left_out(kafka: str, topic: str):
    producer, scan = Producer({"bootstrap.servers": kafka}), LogScan(Cluster(kafka))
    producer.produce(topic, b"before", partition=0)
    producer.flush(30)
    ends = scan.ends({topic: 2})
    producer.produce(topic, b"after", partition=0)
    producer.flush(30)
    assert [record.value for record in read(scan, ends)] == [b"before"]
