"""What each process may do on the broker, and nothing more: drawn from the pipeline, for ACLs by any tool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chronos.pipeline import EVENTS, PROJECTION_GROUP
from schemas.event import Event
from schemas.running import FunctionFailed, FunctionRetried, ResultKept, UsageRecorded
from schemas.spaces import SpaceActivated, SpaceRegistered, SpaceRetired
from schemas.topics import DEAD_LETTER, TOPICS
from schemas.transcription import TranscriptionCompleted
from streams.stage import Function

TOLD_BY_ALL: tuple[type[Event], ...] = (FunctionFailed, FunctionRetried, ResultKept, UsageRecorded)
"""What the runner says for every function."""
SPACES: tuple[type[Event], ...] = (SpaceRegistered, SpaceActivated, SpaceRetired)
"""Read by every worker at its start, which registers and activates the first one."""

READERS = ("chronos.reader", "chronos.scan")
"""Groups that nobody joins: librdkafka wants one named where it reads at given places, and looks for it."""

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs"]


@dataclass(frozen=True)
class Acl:
    """Leave to do some things with a topic or a group, or with all whose names begin so."""

    resource: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def of_function(function: Function) -> list[Acl]:
    """For `chronos worker --function NAME`."""
    reads = {event.name for event in (*function.consumes, *SPACES)}
    if "transcripts" in function.ports:  # a command names its transcript by its place on the log
        reads.add(TranscriptionCompleted.name)
    writes = {event.name for event in (*function.emits, *TOLD_BY_ALL, *SPACES)} | {DEAD_LETTER}
    return [*_topics(reads, writes), Acl("group", function.group(), ("Read",)), *_readers()]


def of_projection() -> list[Acl]:
    """For `chronos worker --projection`. Each side of the tables has a group whose name begins so."""
    groups = [Acl("group", PROJECTION_GROUP, ("Read",), prefixed=True), *_readers()]
    return [*_topics({event.name for event in EVENTS}, set()), *groups]


def of_console() -> list[Acl]:
    """For `chronos serve`, and for operators' commands: they send, rewind, redrive and rebuild."""
    topics = [Acl("topic", name, ("Read", "Write", "Describe", "DescribeConfigs")) for name in sorted(TOPICS)]
    return [*topics, Acl("group", "chronos.", ("Read", "Describe"), prefixed=True)]


def of_lags() -> list[Acl]:
    """For what scales workers by lag: it looks, and reads nothing."""
    return [*_topics(set(), set()), Acl("group", "chronos.", ("Describe",), prefixed=True)]


def _readers() -> list[Acl]:
    return [Acl("group", name, ("Describe",)) for name in READERS]


def _topics(reads: Iterable[str], writes: Iterable[str]) -> list[Acl]:
    """All are described: whoever starts makes sure that all are there, and knows them by their ids."""
    reads, writes = set(reads), set(writes)
    kinds: list[tuple[Operation, set[str]]] = [("Read", reads), ("Write", writes), ("Describe", set(TOPICS))]
    return [
        Acl("topic", name, tuple(operation for operation, names in kinds if name in names)) for name in sorted(TOPICS)
    ]
