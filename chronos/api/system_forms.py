"""What the API says of the system itself, and of what stands on the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from chronos.api.forms import Form, Run, Trouble
from chronos.api.trails import Trail


class Load(Form):
    """Runs that are under way."""

    function: str
    creator_id: str | None
    running: int = Field(description="They hold a lease.")
    waiting: int = Field(description="For their turn, for another function, or for another try.")


class FunctionState(Form):
    name: str
    version: int
    consumes: list[str]
    emits: list[str]
    attempts: int
    concurrency: int = Field(description="Runs of one creator at once, in the whole cluster.")
    group: str
    members: int
    lag: int
    lag_seconds: float | None = Field(description="How long ago the oldest event was written that it has not done.")
    runs: int = Field(description="That completed within the last hour; of them:")
    p50_seconds: float | None
    p95_seconds: float | None
    load: list[Load]


class Functions(Form):
    functions: list[FunctionState]


class Minute(Form):
    minute: datetime
    function: str
    completed: int
    failed: int
    cancelled: int


class FailureClass(Form):
    function: str
    error_type: str
    retryable: bool
    failures: int
    last_at: datetime


class Overview(Form):
    throughput: list[Minute] = Field(
        description="Runs that ended, by minute of the last hour; empty minutes are left out."
    )
    load: list[Load]
    failures: list[FailureClass]
    paid_micro_usd: int = Field(description="Since midnight, UTC.")
    saved_micro_usd: int = Field(description="What was remembered instead of paid, since then.")


class Finding(Form):
    name: str
    ok: bool
    found: str
    remedy: str | None


class Findings(Form):
    ok: bool
    checks: list[Finding]


class Span(Form):
    partition: int
    first: int
    next: int = Field(description="The offset that the next event gets.")


class Topic(Form):
    topic: str
    kind: str
    key: str
    events: int
    partitions: list[Span]


class Topics(Form):
    topics: list[Topic]


class LogEvent(Form):
    """A record of the log, decoded; long texts and lists are cut, bytes are counted, and secrets are hidden."""

    topic: str
    partition: int
    offset: int
    at: datetime
    key: str | None
    bytes: int
    event_id: str | None
    run_id: str | None
    cause_id: str | None = Field(description="The event that it answers.")
    function: str | None = Field(description="What said it; null where it came from outside.")
    creator_id: str | None
    video_id: str | None
    payload: dict[str, Any] | None
    problem: str | None = Field(description="Why it cannot be read.")


class LogPage(Form):
    events: list[LogEvent]
    scanned: int
    cut: bool = Field(description="There may be more: not all was looked through.")
    next: int | None = Field(default=None, description="Where to go on in this partition.")


class Entry(Form):
    """Something that happened in a run."""

    at: datetime
    what: str = Field(description="began, said, paid, remembered, retried, failed, ended")
    name: str = Field(description="The event's topic, or the model that was paid.")
    attempt: int | None = None
    quantity: float | None = None
    unit: str | None = None
    cost_micro_usd: int | None = None
    error: Trouble | None = None
    retry_at: datetime | None = None
    event: LogEvent | None = None


class Stage(Form):
    """What one function did with one event of a run."""

    function: str
    fingerprint: str
    state: str = Field(description="running, waiting, completed, failed, cancelled")
    attempts: int
    crashes: int
    waited_seconds: float | None = Field(description="Between the event that it was given and its first beginning.")
    began_at: datetime
    ended_at: datetime | None
    seconds: float | None = Field(description="From its beginning to its ending, with all that it waited for.")
    next_attempt_at: datetime | None
    errors: list[Trouble] = Field(description="Of each attempt that failed, the last one at the end.")
    input: LogEvent | None
    entries: list[Entry]
    trails: list[Trail] = Field(
        default_factory=list, description="Of its attempts, the oldest first; none of old runs."
    )


class Timeline(Form):
    run: Run
    stages: list[Stage]
    others: list[LogEvent] = Field(description="Events of the run that no function said, such as its request.")
    cut: bool = Field(description="Not all of the log was looked through.")


class Readiness(Form):
    ready: bool
    checks: dict[str, str]


class Act(Form):
    act_id: str
    act: str
    target: str
    by: str
    reason: str | None
    plan: Any
    outcome: Any
    acted_at: datetime


class Acts(Form):
    acts: list[Act]


class Letter(Form):
    """A dead letter without its bytes."""

    letter: str = Field(description="Its place in dead-letter, partition@offset.")
    at: datetime
    origin: dict[str, Any] | None
    group: str
    type: str
    reason: str
    redrives: int
    bytes: int
    whole: bool
    creator_id: str | None
    video_id: str | None


class LetterGroup(Form):
    """Letters with one cause."""

    type: str
    reason: str
    topic: str | None
    letters: int
    oldest_at: datetime
    newest_at: datetime


class Letters(Form):
    total: int
    groups: list[LetterGroup]
    letters: list[Letter]


class Bytes(Form):
    """As text where they are text, else as hex; both null where there are none."""

    text: str | None
    hex: str | None


class Header(Bytes):
    name: str


class WholeLetter(Form):
    letter: str
    at: datetime
    origin: dict[str, Any] | None
    group: str
    reason: str
    redrives: int
    whole: bool
    bytes: int
    sha256: str
    headers: list[Header]
    key: Bytes
    value: Bytes
    payload: dict[str, Any] | None = Field(description="What it says, where it can be read by now.")
    problem: str | None = Field(description="Why it cannot be read by now.")


class Standing(Form):
    topic: str
    partition: int
    first: int
    next: int
    committed: int | None
    wanted: int | None = Field(description="Where a rewind wants it to be, until its worker has gone there.")


class Group(Form):
    group: str
    places: list[Standing]
    rewinds: list[Act]
