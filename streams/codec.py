"""Between records and events: what a record says, who it is, and how an event is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from schemas import avro, people
from schemas.avro import Undecodable
from schemas.catalogue import CATALOGUE
from schemas.event import Event
from streams.envelope import Envelope, parse_envelope, read_headers
from streams.identity import Place, outside_run, record_id
from streams.record import Record

__all__ = ["Codec", "Received", "Undecodable"]

SOURCE = "chronos"
LAST_MS = 253_402_300_799_000
"""The last second of the year 9999, where Python's calendar ends."""


class Received(NamedTuple):
    """A record that was understood."""

    event: Event
    id: str
    run_id: str
    sequence: int
    at: datetime
    record: Record
    function: str  # "name fingerprint" of what said it; empty for what came from outside
    cause_id: str


class NewerThanThis(Undecodable):
    """A fact that a newer Chronos has said: its schema is not among those of this one."""


class Codec:
    """Reads and writes the topics of one cluster."""

    def __init__(self, topic_ids: Mapping[str, str]) -> None:
        self._topic_ids = topic_ids

    def read(self, record: Record) -> Received:
        """Understands a record.

        Raises:
            Undecodable: its bytes are not what the topic holds. No other error, whatever the bytes.
        """
        attributes = read_headers(record.headers)
        event = self._decode(record, attributes.get("dataschema"))
        if "\0" in event.key() + event.subject() + (event.owner() or ""):
            raise Undecodable("an id holds a NUL, which no table can hold")
        envelope = parse_envelope(attributes)
        if envelope is None or not envelope.function:
            return self._from_outside(event, record, envelope)
        return Received(
            event, envelope.id, envelope.run_id, envelope.sequence, envelope.time, record, envelope.function,
            envelope.cause_id,
        )  # fmt: skip

    def _from_outside(self, event: Event, record: Record, envelope: Envelope | None) -> Received:
        """A record that no function said is identified by its place: two producers may use one id."""
        place = Place(self._topic_ids[record.topic], record.partition, record.offset)
        ms = min(max(record.timestamp_ms, 0), LAST_MS)  # a producer may write any number there, and -1 is "none"
        at = datetime.fromtimestamp(ms / 1000, UTC)
        return Received(event, record_id(place), outside_run(place, ms), ms * 1000, at, record, "", "")

    @staticmethod
    def _decode(record: Record, schema: str | None) -> Event:
        if not record.value:
            raise Undecodable("the record has no value")
        if people.is_json(record.value):
            return people.from_json(record.topic, record.value)
        event = CATALOGUE.get(record.topic)
        if event is None:
            raise Undecodable(f"{record.topic} is no topic of an event")
        # The fingerprint goes before the id: ids of another registry can clash with ours, and Avro cannot tell.
        if schema and (known := avro.known_by_fingerprint(schema)):
            return avro.decode_body(event, avro.unframe(record.value)[1], known[2])
        if schema and event.kind == "fact" and avro.known_by_id(avro.unframe(record.value)[0]) is None:
            raise NewerThanThis(f"{record} was said by a newer Chronos: start that one here, projections first")
        return avro.decode(event, record.value)

    @staticmethod
    def write(event: Event, envelope: Envelope) -> Record:
        """The record of an event, with its place still open (-1)."""
        key, value = event.key().encode(), avro.encode(event)
        return Record(event.name, -1, -1, 0, key, value, tuple(envelope.headers()))
