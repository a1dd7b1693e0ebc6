"""What could not be read: its bytes as they were, with headers that Kafka Connect's and Spring's tools know."""

from __future__ import annotations

from streams.record import Record
from streams.redaction import redact

TOPIC = "dead-letter"
LARGEST_VALUE = 1024 * 1024


def dead_letter(record: Record, group: str, reason: str) -> Record:
    """The record for the dead-letter topic. A value over 1 MiB stays where it is: the headers say where."""
    reason = redact(reason)
    small = len(record.value or b"") <= LARGEST_VALUE
    told = {
        "__connect.errors.topic": record.topic,
        "__connect.errors.partition": str(record.partition),
        "__connect.errors.offset": str(record.offset),
        "__connect.errors.stage": "VALUE_CONVERTER",
        "__connect.errors.exception.message": reason,
        "__connect.errors.connector.name": group,
        "kafka_dlt-original-topic": record.topic,
        "kafka_dlt-original-partition": str(record.partition),
        "kafka_dlt-original-offset": str(record.offset),
        "kafka_dlt-original-timestamp": str(record.timestamp_ms),
        "kafka_dlt-original-consumer-group": group,
        "kafka_dlt-exception-message": reason,
    }
    headers = [*record.headers, *((name, text.encode()) for name, text in told.items())]
    return Record(TOPIC, -1, -1, record.timestamp_ms, record.key, record.value if small else None, tuple(headers))
