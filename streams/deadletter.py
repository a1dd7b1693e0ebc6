"""What could not be read: its bytes as they were, with headers that Kafka Connect's and Spring's tools know.

Connect writes every header as UTF-8 text (its DeadLetterQueueReporter). Spring writes the partition as a big-endian
32-bit number, offset and timestamp as 64-bit ones, the rest as text (its DeadLetterPublishingRecoverer).
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from schemas.event import Coordinates
from schemas.topics import TOPICS
from streams.record import Record
from streams.redaction import redact

TOPIC = "dead-letter"
LARGEST_VALUE = 1024 * 1024
LONGEST_REASON = 4 * 1024
ROOM = 4  # as much is looked through for secrets: they are far from where the text is cut
LONGEST_TRACE = 8 * 1024  # the end of it: that is where the cause stands

CONNECT = "__connect.errors."
SPRING = "kafka_dlt-"
REDRIVES = "chronos-redrives"  # rides on the record itself, so that it is there if the record comes back
SHA256, BYTES = "chronos-sha256", "chronos-bytes"  # of the value
KEPT, WHOLE, PLACE = "chronos-kept", "whole", "place"  # whether all of it is here, or only where it stands

READER = "streams.codec.Codec"
LATEST_MS = 253_402_300_799_000  # the last second of the year 9999

Header = tuple[str, bytes | None]


def dead_letter(record: Record, group: str, error: Exception) -> Record:
    """The record for the dead-letter topic. What is over 1 MiB stays where it is: the headers say where.

    Every letter has all of our headers, so that exactly they can be taken off again.
    """
    value, rest_is_large = record.value or b"", _rest(record) > LARGEST_VALUE
    whole = not rest_is_large and len(value) <= LARGEST_VALUE
    kept = replace(record, key=None, headers=()) if rest_is_large else record
    told = [*_connect(record, group, error), *_spring(record, group, error), *_ours(value, whole)]
    return Record(
        TOPIC, -1, -1, record.timestamp_ms, kept.key, record.value if whole else None, (*kept.headers, *told)
    )  # fmt: skip


def digest(value: bytes | None) -> str:
    """What `chronos-sha256` says of a value."""
    return hashlib.sha256(value or b"").hexdigest()


def _rest(record: Record) -> int:
    """Bytes of key and headers."""
    return len(record.key or b"") + sum(len(name.encode()) + len(value or b"") for name, value in record.headers)


def _connect(record: Record, group: str, error: Exception) -> list[tuple[str, bytes]]:
    told = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": group,
        "task.id": "0",
        "stage": "VALUE_CONVERTER",
        "class.name": READER,
        "exception.class.name": _name(error),
        "exception.message": _reason(error),
        "exception.stacktrace": _trace(error),
    }
    return [(CONNECT + name, text.encode()) for name, text in told.items()]


def _spring(record: Record, group: str, error: Exception) -> list[tuple[str, bytes]]:
    told = {
        "original-topic": record.topic.encode(),
        "original-partition": record.partition.to_bytes(4, "big", signed=True),
        "original-offset": record.offset.to_bytes(8, "big", signed=True),
        "original-timestamp": record.timestamp_ms.to_bytes(8, "big", signed=True),
        "original-timestamp-type": _clock(record.topic).encode(),
        "original-consumer-group": group.encode(),
        "exception-fqcn": _name(error).encode(),
        "exception-message": _reason(error).encode(),
        "exception-stacktrace": _trace(error).encode(),
    }
    return [(SPRING + name, value) for name, value in told.items()]


def _ours(value: bytes, whole: bool) -> list[tuple[str, bytes]]:
    told = {KEPT: WHOLE if whole else PLACE, SHA256: digest(value), BYTES: str(len(value))}
    return [(name, text.encode()) for name, text in told.items()]


def _clock(topic: str) -> str:
    """Whose clock gave the record its time: by the table of topics."""
    return TOPICS[topic].config["message.timestamp.type"] if topic in TOPICS else "CreateTime"


def _name(error: Exception) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _reason(error: Exception) -> str:
    said = (str(error) or repr(error))[: ROOM * LONGEST_REASON]
    return _sound(redact(said))[:LONGEST_REASON]


def _trace(error: Exception) -> str:
    said = "".join(traceback.format_exception(error))[-ROOM * LONGEST_TRACE :]
    return _sound(redact(said))[-LONGEST_TRACE:]


def _sound(text: str) -> str:
    """Without halves of characters, which have no bytes."""
    return text.encode(errors="replace").decode()


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, read. What its headers do not say is empty: anybody may write to the topic."""

    record: Record  # as it stands on dead-letter
    origin: Coordinates | None
    written_ms: int  # when the original was; the letter's own time where that is not told
    group: str
    type: str
    reason: str
    redrives: int
    whole: bool  # all of the record is here; else it stands at its origin, and its value has this hash:
    sha256: str
    bytes: int  # of the value

    def original(self) -> Record:
        """The record as it was, without what the letter says of it. Its value is None where it stayed at its origin.

        Of each of our headers only the last is taken off: the record may have come with some from elsewhere.
        """
        record, origin = self.record, self.origin
        headers = without_last(record.headers, OURS)
        if origin is None:
            return replace(record, headers=headers, timestamp_ms=self.written_ms)
        return Record(
            origin.topic, origin.partition, origin.offset, self.written_ms, record.key, record.value, headers
        )  # fmt: skip


OURS = frozenset(name for name, _ in dead_letter(Record("", 0, 0, 0, None, None), "", ValueError()).headers)
"""Names of the headers that a letter has from us."""


def read_letter(record: Record) -> Letter:
    """Understands a record of the dead-letter topic, as far as its headers go."""
    last = {name: value for name, value in record.headers if value is not None}
    written = last.get(f"{SPRING}original-timestamp", b"")
    return Letter(
        record=record,
        origin=_origin(last),
        written_ms=_time(written, record.timestamp_ms),
        group=_text(last, f"{CONNECT}connector.name"),
        type=_text(last, f"{CONNECT}exception.class.name").rpartition(".")[2],
        reason=_text(last, f"{CONNECT}exception.message"),
        redrives=_number(last.get(REDRIVES, b"")),
        whole=_text(last, KEPT) != PLACE,
        sha256=_text(last, SHA256),
        bytes=_number(last.get(BYTES, b"")) or len(record.value or b""),
    )


def redriven(original: Record, redrives: int) -> tuple[Header, ...]:
    """The headers with which a record goes back to its topic: its own, and how often it has been sent there."""
    kept = (header for header in original.headers if header[0] != REDRIVES)
    return (*kept, (REDRIVES, str(redrives).encode()))


def without_last(headers: Sequence[Header], names: Collection[str]) -> tuple[Header, ...]:
    """The headers without the last one of each of the names."""
    last = {name: place for place, (name, _) in enumerate(headers) if name in names}
    gone = set(last.values())
    return tuple(header for place, header in enumerate(headers) if place not in gone)


def _origin(last: dict[str, bytes]) -> Coordinates | None:
    try:
        return Coordinates(
            topic=_text(last, f"{CONNECT}topic"),
            partition=int(_text(last, f"{CONNECT}partition")),
            offset=int(_text(last, f"{CONNECT}offset")),
        )
    except (ValueError, ValidationError):
        return None


def _text(last: dict[str, bytes], name: str) -> str:
    return last.get(name, b"").decode(errors="replace")


def _number(value: bytes) -> int:
    """A count of ours; 0 where it is none. Nine digits at most: more is nonsense, and slow to read."""
    return int(value) if value.isdigit() and len(value) < 10 else 0


def _time(value: bytes, otherwise: int) -> int:
    found = int.from_bytes(value, "big", signed=True) if len(value) == 8 else -1
    return found if 0 <= found <= LATEST_MS else otherwise
