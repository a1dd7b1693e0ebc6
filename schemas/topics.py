"""The topics of the log, as data: one for each event, and the dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.catalogue import CATALOGUE
from schemas.event import Event, Kind

DEAD_LETTER = "dead-letter"
PARTITIONS = 12
MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # an hour's transcript is under 1 MiB; whole results ride in facts

KEYS = {
    "operator.acted": "actId",
    "transcribe.requested": "creatorId",
    "embeddings.batch-reprocess": "batchId",
    "batch.expanded": "batchId",
    "space.registered": "space",
    "space.activated": "space",
    "space.retired": "space",
}
"""The field that is the record key, where it is not the video's id."""


@dataclass(frozen=True)
class Topic:
    """A topic as it must be on the broker. How many replicas it has depends on the cluster, and is not said here."""

    name: str
    kind: Kind | Literal["raw"]
    key: str
    """The field that is the record's key, by its wire name, or what else is."""
    partitions: int
    config: dict[str, str]


def _config(clock: Literal["LogAppendTime", "CreateTime"]) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",  # the log is the only truth: it is kept for ever
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "compression.type": "zstd",
        "message.timestamp.type": clock,
    }


def _topic(event: type[Event]) -> Topic:
    clock: Literal["LogAppendTime", "CreateTime"] = "LogAppendTime" if event.kind == "command" else "CreateTime"
    return Topic(event.name, event.kind, KEYS.get(event.name, "videoId"), PARTITIONS, _config(clock))


TOPICS: dict[str, Topic] = {
    **{name: _topic(event) for name, event in CATALOGUE.items()},
    DEAD_LETTER: Topic(DEAD_LETTER, "raw", "the original key", PARTITIONS, _config("CreateTime")),
}
"""Every topic by name. Commands get the broker's time, since a run's id begins with it; no producer's clock counts."""
