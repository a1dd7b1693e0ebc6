"""What an event is: the base of every command and fact, its wire name, its key, and the catalogue of them all."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
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


class Command(Event):
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
