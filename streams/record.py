"""A record of the log as it was read: bytes and coordinates, nothing decoded yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.event import Coordinates


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()

    def coordinates(self) -> Coordinates:
        return Coordinates(topic=self.topic, partition=self.partition, offset=self.offset)

    def size(self) -> int:
        """Bytes of key and value, which is what waiting costs."""
        return len(self.key or b"") + len(self.value or b"")

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"
