"""An event's bytes on the wire: Avro in Confluent's framing, which Kafka UI, kcat and every client can read.

Undecodable       these bytes are not this event; the reason says why
└─ NotFramed      they do not begin as framed Avro does
Unreleased        the event's class and avsc/ do not agree, so that nobody could read what it writes
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType
from pydantic import ValidationError

from schemas.event import Event
from schemas.generate import NAMESPACE, Avro, fingerprint, generate, parse, record_name
from schemas.released import by_fingerprint, by_id, releases
from schemas.upcast import Step, steps_between

__all__ = [
    "NotFramed",
    "Undecodable",
    "Unreleased",
    "data_schema",
    "decode",
    "decode_body",
    "encode",
    "explain",
    "fingerprint",
    "frame",
    "generate",
    "known_by_fingerprint",
    "known_by_id",
    "parse",
    "schema_of",
    "unframe",
]

E = TypeVar("E", bound=Event)
HEADER = struct.Struct(">BI")  # Confluent's framing: a zero byte, the schema's id
SHOWN_PROBLEMS = 10

# What fastavro raises on bytes that do not fit their schema: found by fuzzing, kept by a test.
BROKEN = (EOFError, ValueError, LookupError, OverflowError, SchemaResolutionError)


class Undecodable(ValueError):
    """These bytes are not the event that was expected. The message is the reason, in one line."""

    @property
    def reason(self) -> str:
        return str(self)


class NotFramed(Undecodable):
    """The bytes do not begin with a zero byte and a schema id."""


class Unreleased(LookupError):
    """The event's current version is not, or not in this form, among the files and ids of avsc/."""


# -- framing ----------------------------------------------------------------------------------------------------------


def frame(schema_id: int, body: bytes) -> bytes:
    return HEADER.pack(0, schema_id) + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """The schema's id and the body.

    Raises:
        NotFramed: too short, or another first byte.
    """
    if len(value) < HEADER.size:
        raise NotFramed(f"{len(value)} bytes; framed Avro begins with 0x00 and a 4-byte schema id")
    magic, schema_id = HEADER.unpack_from(value)
    if magic:
        raise NotFramed(f"the first byte is 0x{magic:02x}; framed Avro begins with 0x00 and a 4-byte schema id")
    return schema_id, value[HEADER.size :]


# -- the event's own schema -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Own:
    """What encoding needs of an event's current version."""

    schema: Avro
    full_name: str
    fingerprint: str


@cache
def _own(event: type[Event]) -> _Own:
    schema = parse(generate(event))
    return _Own(schema, f"{NAMESPACE}.{record_name(event)}", fingerprint(schema))


@cache
def _header(event: type[Event]) -> bytes:
    release = releases().get((event.name, event.version))
    if release is None or not release.id or release.fingerprint != _own(event).fingerprint:
        raise Unreleased(f"{event.name} version {event.version} is not as in avsc/: run `python -m schemas check`")
    return HEADER.pack(0, release.id)


def data_schema(event: type[Event]) -> str:
    """The fingerprint of the event's current version, for the header `ce_dataschema`."""
    return _own(event).fingerprint


def encode(event: Event) -> bytes:
    """The framed bytes of an event.

    Raises:
        Unreleased: see there.
    """
    kind = type(event)
    out = io.BytesIO()
    out.write(_header(kind))
    schemaless_writer(out, _own(kind).schema, event.model_dump(by_alias=True))
    return out.getvalue()


# -- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reading:
    """How what one schema wrote becomes the current version of an event."""

    given: Avro
    writer: Avro
    reader: Avro | None
    steps: tuple[Step, ...]


_READINGS: dict[tuple[type[Event], int], _Reading] = {}
"""By event and identity of the writer's schema, which a reading holds on to so that its identity stays its own."""
MAX_READINGS = 1_000  # a caller that parses the same schema for each record must not fill the memory


def decode(event: type[E], value: bytes) -> E:
    """An event out of framed bytes whose schema id is one of ours.

    Raises:
        Undecodable: not this event, of whatever version.
    """
    schema_id, body = unframe(value)
    known = known_by_id(schema_id)
    if known is None:
        raise Undecodable(f"schema id {schema_id} is none of Chronos's; {event.name} was expected")
    return decode_body(event, body, known[2])


def decode_body(event: type[E], body: bytes, writer_schema: Avro) -> E:
    """An event out of the bytes that follow the frame, written with any version of its schema, known to us or not.

    Fast for one schema object used again and again, as `known_by_id` and `known_by_fingerprint` give it.

    Raises:
        Undecodable: the schema is another event's, the bytes do not fit it, bytes are left over, or a value breaks
            the event's rules.
    """
    reading = _READINGS.get((event, id(writer_schema))) or _reading(event, writer_schema)
    source = io.BytesIO(body)
    try:
        record: Any = schemaless_reader(source, reading.writer, reading.reader)
    except BROKEN as error:
        raise Undecodable(f"not {event.name}: {type(error).__name__}: {error}") from error
    if source.tell() != len(body):
        raise Undecodable(f"not {event.name}: {len(body) - source.tell()} bytes are left over after it")
    for step in reading.steps:
        record = step(record)
    try:
        return event.model_validate(record)
    except ValidationError as error:
        raise Undecodable(f"not a valid {event.name}: {explain(error)}") from error


def _reading(event: type[Event], given: Avro) -> _Reading:
    try:
        writer = parse(given)
        name, layout = writer["name"], fingerprint(writer)
    except (SchemaParseException, UnknownType, LookupError, TypeError, ValueError, AssertionError) as error:
        raise Undecodable(f"the writer's schema of {event.name} is no record's schema: {error}") from error
    own = _own(event)
    if name != own.full_name:
        raise Undecodable(f"{own.full_name} was expected, and the schema is that of {name}")
    if len(_READINGS) >= MAX_READINGS:
        _READINGS.clear()
    reading = _READINGS[event, id(given)] = _way(event, given, writer, layout)
    return reading


def _way(event: type[Event], given: Avro, writer: Avro, layout: str) -> _Reading:
    """Avro fills in what the writer did not know, unless there are upcasters: those get what was written, untouched."""
    own = _own(event)
    if layout == own.fingerprint:
        return _Reading(given, own.schema, None, ())
    known = known_by_fingerprint(layout)
    steps = steps_between(event.name, known[1], event.version) if known else ()
    return _Reading(given, writer, None if steps else own.schema, steps)


# -- what is known ----------------------------------------------------------------------------------------------------


def schema_of(name: str, version: int) -> Avro:
    """A released schema, as its file in avsc/ has it. KeyError where there is none."""
    return releases()[name, version].definition


def known_by_fingerprint(value: str) -> tuple[str, int, Avro] | None:
    """Wire name, version and parsed schema of what `ce_dataschema` names."""
    release = by_fingerprint().get(value)
    return (release.name, release.version, release.schema) if release else None


def known_by_id(schema_id: int) -> tuple[str, int, Avro] | None:
    """Wire name, version and parsed schema of a checked-in id."""
    release = by_id().get(schema_id)
    return (release.name, release.version, release.schema) if release else None


def explain(error: ValidationError) -> str:
    """All that is wrong, in one line: each field by the name that was used, and what is wanted there."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [_problem(".".join(str(part) for part in one["loc"]), one["type"], one["msg"]) for one in wrong]
    more = len(lines) - SHOWN_PROBLEMS
    return "; ".join(lines[:SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def _problem(field: str, kind: str, message: str) -> str:
    wanted = message.removeprefix("Value error, ")
    if kind == "missing":
        return f"{field} is missing"
    return f"{field}: {wanted[:1].lower()}{wanted[1:]}" if field else wanted
