"""What the API takes and gives, in camelCase, as events are on the wire."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas.event import NUL

if TYPE_CHECKING:
    from streams.postgres import Row  # clients know these forms and no database


class BadCursor(ValueError):
    """It is none that this server gave out."""


class Form(BaseModel):
    """Base of all."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)

    @classmethod
    def of(cls, row: Row) -> Self:
        """Out of a row of the tables, whose jsonb is text."""
        return cls.model_validate({name: _parsed(name, row[name]) for name in cls.model_fields if name in row.keys()})  # noqa: SIM118 - a row is no dict


def _parsed(name: str, value: Any) -> Any:
    return json.loads(value) if name in ("error", "retry_error", "segments") and isinstance(value, str) else value


class Problem(Form):
    """What is wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    fields: dict[str, str] = Field(default_factory=dict, description="What is wrong, by field, where it is one.")


class Sent(Form):
    """An event that is on the log."""

    topic: str
    partition: int
    offset: int
    run_id: UUID
    folded: bool = Field(default=False, description="Whether the tables hold it already: with ?wait=projection.")


class Uploaded(Sent):
    """The same, with the ids that the old form gave."""

    video_id: str
    creator_id: str


class Wanted(Form, extra="forbid"):
    """One event of several."""

    topic: str = Field(max_length=100)
    data: dict[str, Any]


class Several(Form, extra="forbid"):
    events: list[Wanted] = Field(min_length=1, max_length=1000)


class Trouble(Form):
    type: str
    message: str
    retryable: bool


Holder = Annotated[Literal["budget"] | None, Field(description="What it waits for, where a person's limit holds it.")]


class Video(Form):
    video_id: str
    creator_id: str
    run_id: UUID
    status: str
    held: Holder = None
    title: str | None
    duration_seconds: float | None
    searchable: bool
    cost_micro_usd: int
    requested_at: datetime | None
    changed_at: datetime | None
    error: Trouble | None


class VideoDetail(Video):
    language: str | None = Field(description="Of its newest transcript.")
    original_filename: str | None
    storage_path: str | None
    codec: str | None
    source_bytes: int | None
    source_sha256: str | None


class Chunk(Form):
    index: int
    start_seconds: float
    end_seconds: float
    words: int
    tokens: int
    text: str


class Chunks(Form):
    chunks: list[Chunk]


class Videos(Form):
    videos: list[Video]
    next: str | None = Field(default=None, description="The cursor of the next page, where there is one.")


class Passage(Form):
    start: float
    end: float
    text: str
    speaker: str | None = Field(
        default=None, description="Where the model tells speakers apart: a letter and the number of the call, A1."
    )


class Transcript(Form):
    video_id: str
    language: str | None
    text: str
    segments: list[Passage]


class Run(Form):
    run_id: UUID
    creator_id: str
    video_id: str
    status: str
    held: Holder = None
    asked_at: datetime | None
    changed_at: datetime | None
    topic: str | None
    partition: int | None
    offset: int | None
    error: Trouble | None
    function: str | None = Field(description="Which one is tried again, where one is.")
    attempt: int | None
    retry_at: datetime | None
    retry_error: Trouble | None


class Runs(Form):
    runs: list[Run]


class Work(Form):
    """What one function did in a run."""

    function: str
    fingerprint: str
    attempts: int
    crashes: int
    ending: str | None
    started_at: datetime
    error: Trouble | None


class Used(Form):
    function: str
    kind: str
    model: str | None
    memoized: bool = Field(description="Remembered, and not paid for again.")
    quantity: float
    cost_micro_usd: int


class DayUsed(Used):
    creator_id: str | None
    day: date


class Usage(Form):
    usage: list[DayUsed]


class VideoUsage(Form):
    usage: list[Used]


class Trace(Form):
    run: Run
    work: list[Work]
    usage: list[Used]


class Hit(Form):
    video_id: str
    creator_id: str
    title: str | None
    start_seconds: float
    end_seconds: float
    text: str
    score: float


class Hits(Form):
    hits: list[Hit]


class Failure(Form):
    event_id: UUID
    creator_id: str | None
    video_id: str | None
    run_id: UUID
    function: str
    attempts: int
    error_type: str
    error_message: str
    retryable: bool
    topic: str
    partition: int
    offset: int
    failed_at: datetime


class Failures(Form):
    failures: list[Failure]


class FailureGroup(Form):
    """Failures of one function by one error."""

    function: str
    error_type: str
    retryable: bool
    failures: int
    last_at: datetime
    messages: int = Field(description="How many different ones there are.")
    most_said: list[str] = Field(description="Three of them at most.")


class FailureGroups(Form):
    groups: list[FailureGroup]


class SpaceState(Form):
    space: str
    state: str
    videos: int
    served: int
    vectors: int
    activated_at: datetime | None


class Spaces(Form):
    spaces: list[SpaceState]


class Health(Form):
    ok: bool
    checks: dict[str, str]


def to_cursor(row: Row) -> str:
    """A place in the order of videos."""
    at = row["requested_at"]
    place = [at.isoformat() if at else "1970-01-01T00:00:00+00:00", row["creator_id"], row["video_id"]]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def from_cursor(text: str | None) -> tuple[datetime, str, str] | tuple[None, None, None]:
    """
    Raises:
        BadCursor.
    """
    if text is None:
        return None, None, None
    try:
        at, creator, video = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or NUL.search(creator + video):
            raise ValueError("no place in the tables")
        return moment.astimezone(UTC), creator, video
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadCursor("this cursor is none that this server gave out: begin without one") from error
