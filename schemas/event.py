"""What an event is: the base of every command and fact, its wire name, its key, and the catalogue of them all."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

MAX_LONG = 2**63 - 1  # what an Avro long and a Postgres bigint can hold

VideoId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
CreatorId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0)]
MicroUsd = Annotated[int, Field(ge=0, le=MAX_LONG, description="Millionths of a US dollar.")]
Count = Annotated[int, Field(ge=0, le=MAX_LONG)]
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
EventId = Annotated[str, Field(description="UUID of an event.")]

Kind = Literal["command", "fact"]
V = TypeVar("V")

NUL = re.compile(r"\0")  # Postgres's text cannot hold it: two ids that differ by it alone would be one row
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # control characters, line and paragraph separators


class Wire(BaseModel):
    """A part of an event: snake_case in Python, camelCase on the wire, never changed once made."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        allow_inf_nan=False,
        protected_namespaces=(),
    )


class Coordinates(Wire):
    """Where a record stands in the log."""

    topic: str
    partition: Count
    offset: Count


class Event(Wire):
    """A record of the log. Its wire name is its topic, and both are for ever; the class name may change."""

    name: ClassVar[str]
    version: ClassVar[int]
    kind: ClassVar[Kind]

    def key(self) -> str:
        """The record key, which decides the partition: events with one key keep their order."""
        return self.subject()

    def subject(self) -> str:
        """What the event is about: the video's id, where there is one."""
        return getattr(self, "video_id", None) or ""

    def owner(self) -> str | None:
        """Whose it is: the creator, where there is one. Work is shared out by owner."""
        return getattr(self, "creator_id", None)

    def paid_keys(self) -> tuple[str, ...]:
        """Keys of the paid results that ride in it, so that the journal can be rebuilt from the log."""
        return ()

    def part(self) -> str:
        """What tells this event from others of its type that one input gives: an index, an attempt, a space."""
        return ""


def _visible(value: V, info: ValidationInfo) -> V:
    """Refuses texts that tables cannot keep, and ids that people cannot tell from others."""
    name = info.field_name or ""
    pattern, why = (UNSEEN, "nobody can see") if name.endswith(("_id", "_ids")) else (NUL, "no table can keep")
    for text in value if isinstance(value, list) else (value,):
        if isinstance(text, str) and (found := pattern.search(text)):
            raise ValueError(f"character {found.start() + 1} is U+{ord(found[0]):04X}, which {why}")
    return value


class Asked(Wire):
    """What somebody wishes, or a part of it. Facts are not checked so: what happened is read as it was written."""

    _seen = field_validator("*")(_visible)


class Command(Event, Asked):
    """A wish; it may be refused."""

    kind: ClassVar[Kind] = "command"

    def __init_subclass__(cls, *, name: str, version: int, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)  # type: ignore[arg-type]  # pydantic's own keywords
        _register(cls, name, version)


class Fact(Event):
    """What happened; it is never changed."""

    kind: ClassVar[Kind] = "fact"

    def __init_subclass__(cls, *, name: str, version: int, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)  # type: ignore[arg-type]  # pydantic's own keywords
        _register(cls, name, version)


CATALOGUE: dict[str, type[Event]] = {}
"""Every event by its wire name. Filled as the subject modules are imported: read it from `schemas.catalogue`."""


def _register(cls: type[Event], name: str, version: int) -> None:
    if name in CATALOGUE:
        raise TypeError(f"two events are named {name!r}: {CATALOGUE[name].__name__} and {cls.__name__}")
    cls.name, cls.version = name, version
    CATALOGUE[name] = cls
