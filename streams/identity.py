"""Who is who on the log: ids that are the same on every redelivery, every rewind and every machine."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

_EVENTS = uuid.UUID("5f0c7a52-2c8e-5d0b-9c7f-6f1f6b7c1f11")  # a name space of our own, for ever
_MARKS = 0xF << 76 | 0b11 << 62  # the bits of a UUID that say its version and variant
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands, by the topic's UUID: a topic that is made anew under its old name is another topic."""

    topic_id: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic_id}/{self.partition}/{self.offset}"


def record_id(place: Place) -> str:
    """Event id of a command from outside: by its place, never by an id that two producers may both use."""
    return _named(f"record/{place}")


def outside_run(place: Place, record_ms: int) -> str:
    """Run id of a command from outside: sorts by record time (ms), then as the records were written."""
    return _uuid7(record_ms, place.offset, hashlib.sha256(str(place).encode()).digest())


def emitted_run(cause_run: str, cause_id: str, creator_id: str, video_id: str) -> str:
    """Run id of a command that Chronos emits: of the time of the command that caused it, one per creator and video."""
    digest = hashlib.sha256("\0".join((cause_id, creator_id, video_id)).encode()).digest()
    return _uuid7(uuid.UUID(cause_run).int >> 80, int.from_bytes(digest[8:14], "big"), digest)


def imported_run(asked_ms: int, creator_id: str, video_id: str) -> str:
    """Run id of a video of the system that was replaced: of the time at which it was asked for there, so that whatever
    is asked for here is newer."""
    digest = hashlib.sha256("\0".join(("import", creator_id, video_id)).encode()).digest()
    return _uuid7(asked_ms, int.from_bytes(digest[8:14], "big"), digest)


def asked_at(run_id: str) -> datetime:
    """When the command came that a run began with: its id says so."""
    return datetime.fromtimestamp((uuid.UUID(run_id).int >> 80) / 1000, UTC)


def event_id(input_id: str, function: str, fingerprint: str, event_type: str, part: str = "") -> str:
    """Id of what a function says of one input. By the input, not by the run: a new transcript of the same run must be
    embedded again (the model found this). `part` tells apart what one input gives several of."""
    return _named("\0".join((input_id, function, fingerprint, event_type, part)))


def spend_id(token: str) -> str:
    """Id of the usage fact of one paid call, the same whoever sends it."""
    return _named(f"spend/{token}")


def canonical(text: str) -> str:
    """A UUID as it is written here: in lower case, with hyphens.

    Raises:
        ValueError: it is no UUID.
    """
    return text if _CANONICAL.fullmatch(text) else str(uuid.UUID(text))


def to_bytes(canonical_uuid: str) -> bytes:
    """The sixteen bytes, which sort as the text does."""
    return bytes.fromhex(canonical_uuid.replace("-", ""))


def _named(name: str) -> str:
    """A UUIDv5 (RFC 9562) in our name space. uuid.uuid5 gives the same in three times the time."""
    digest = hashlib.sha1(_EVENTS.bytes + name.encode(), usedforsecurity=False).digest()
    return _text(int.from_bytes(digest[:16], "big") & ~_MARKS | 0x5 << 76 | 0b10 << 62)


def _text(value: int) -> str:
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _uuid7(ms: int, order: int, digest: bytes) -> str:
    """A UUIDv7 (RFC 9562) whose order after the time is `order` (48 bits kept), then the digest's."""
    order &= (1 << 48) - 1
    rand_a, middle = order >> 36, order & ((1 << 36) - 1)
    rand_b = (middle << 26) | (int.from_bytes(digest[:4], "big") >> 6)
    value = ((ms & ((1 << 48) - 1)) << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b
    return _text(value)
