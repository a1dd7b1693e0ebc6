"""What is said about an event beside its payload: CloudEvents 1.0 attributes as Kafka headers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from streams.identity import canonical

Headers = Iterable[tuple[str, bytes | None]]


class Envelope(NamedTuple):
    """Where an event comes from. All of it may be missing on a record that a person wrote."""

    id: str
    type: str
    source: str
    time: datetime  # when it was said, for people
    subject: str
    run_id: str  # ce_correlationid
    cause_id: str  # id of the event that caused this one
    sequence: int  # orders what a function says of one input: microseconds of its first start
    function: str  # "name fingerprint", of a function's own events
    schema: str  # fingerprint of the Avro schema

    def headers(self) -> list[tuple[str, bytes]]:
        pairs = (
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_type", self.type),
            ("ce_source", self.source),
            ("ce_time", self.time.astimezone(UTC).isoformat().replace("+00:00", "Z")),
            ("ce_subject", self.subject),
            ("ce_correlationid", self.run_id),
            ("ce_causationid", self.cause_id),
            ("ce_sequence", str(self.sequence)),
            ("ce_function", self.function),
            ("ce_dataschema", self.schema),
        )
        return [(name, value.encode()) for name, value in pairs if value]


def read_headers(headers: Headers | None) -> dict[str, str]:
    """Our attributes of a record, without their prefix. What is not text, or not ours, is passed over."""
    ours = [(name[3:], value) for name, value in headers or () if value is not None and name.startswith("ce_")]
    try:
        return {name: value.decode() for name, value in ours}
    except UnicodeDecodeError:
        return {name: value.decode() for name, value in ours if _is_text(value)}


def parse_envelope(attributes: dict[str, str]) -> Envelope | None:
    """The envelope of a record that Chronos wrote; None where an attribute is missing or is not what it should be."""
    try:
        return Envelope(
            id=canonical(attributes["id"]),
            type=attributes["type"],
            source=attributes["source"],
            time=datetime.fromisoformat(attributes["time"]).astimezone(UTC),
            subject=attributes.get("subject", ""),
            run_id=canonical(attributes["correlationid"]),
            cause_id=attributes.get("causationid", ""),
            sequence=_sequence(attributes.get("sequence", "0")),
            function=attributes.get("function", ""),
            schema=attributes.get("dataschema", ""),
        )
    except (KeyError, ValueError, OverflowError, OSError):  # the last two: a zone leads a time out of the calendar
        return None


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sequence(text: str) -> int:
    value = int(text)
    if not 0 <= value < 1 << 63:
        raise ValueError(f"sequence {text} is not a 63-bit number")
    return value
