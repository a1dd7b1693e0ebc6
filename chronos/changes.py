"""What happens to videos, as it is told to who follows them: each fact of a run, and which ones change its status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from projections.videos import FUNCTIONS, REACHES, WORDS, Status
from schemas.deletion import VideoDeleted
from schemas.event import Coordinates, Event
from schemas.running import Error, FunctionFailed, FunctionRetried, NotificationSent, RunCancelled, UsageRecorded
from schemas.topics import TOPICS
from streams.codec import Codec, Received, Undecodable
from streams.record import Record

FIRST = {status: kind for kind, status in reversed(REACHES.items())}  # the fact by which a status is reached
EVENTS: tuple[type[Event], ...] = (*REACHES, FunctionRetried, UsageRecorded, NotificationSent, VideoDeleted)
NAMES = tuple(name for name in TOPICS if name in {event.name for event in EVENTS})


@dataclass(frozen=True)
class Change:
    """A fact of a run."""

    id: str
    event: str
    run_id: str
    video_id: str
    creator_id: str
    status: str | None  # that the run has now, where it is another one
    at: datetime
    place: Coordinates
    function: str | None
    attempt: int | None
    error: Error | None


def decoder(codec: Codec) -> Callable[[Record], Change | None]:
    """What a record says, if it is of a video and its creator. What cannot be read is a dead letter's affair."""

    def decode(record: Record) -> Change | None:
        try:
            return change(codec.read(record))
        except Undecodable:
            return None

    return decode


def change(received: Received) -> Change | None:
    event = received.event
    video, creator = getattr(event, "video_id", None), event.owner()
    if not video or not creator:
        return None
    return Change(
        id=received.id,
        event=event.name,
        run_id=event.run_id if isinstance(event, RunCancelled) else received.run_id,
        video_id=video,
        creator_id=creator,
        status=_status(event),
        at=received.at,
        place=received.record.coordinates(),
        function=getattr(event, "function", None) or received.function.partition(" ")[0] or None,
        attempt=getattr(event, "attempt", None),
        error=getattr(event, "error", None),
    )


def _status(event: Event) -> str | None:
    """The status that a run comes to by a fact. Several facts are of one status: the first of them brings it, a command
    or the first attempt's; of several embedding spaces the last."""
    if isinstance(event, VideoDeleted):
        return "deleted"
    if isinstance(event, FunctionFailed) and event.function not in FUNCTIONS:
        return None
    status: Status | None = REACHES.get(type(event))
    if status is None or getattr(event, "attempt", 1) != 1 or getattr(event, "left", 0):
        return None
    return WORDS[status] if event.kind == "command" or FIRST[status] is type(event) else None
