"""Which dead letters are meant, and what may be done with each. Pure: chronos.deadletters reads and sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from chronos.conditions import Condition, all_hold
from chronos.plans import name_of
from chronos.showing import as_text
from schemas.avro import Undecodable
from schemas.event import Coordinates
from schemas.topics import DEAD_LETTER, TOPICS
from streams.codec import Codec
from streams.deadletter import Letter
from streams.envelope import read_headers
from streams.record import Record

MOST_REDRIVES = 3  # a record that came back three times comes back a fourth time

FIELDS = ("topic", "group", "type", "reason", "creator", "video")


Deletions = Mapping[tuple[str | None, str | None], datetime]
"""When each video, by creator and id, was deleted: a letter of before would come back as a new request."""

NONE_DELETED: Deletions = {}


class NoSuchLetter(Exception):
    """No letter of the backlog is called so."""


class AnotherAtWork(Exception):
    """Another redrive is under way."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A letter without its bytes: a backlog of them must fit in memory."""

    partition: int  # of dead-letter
    offset: int
    at: datetime  # when the original was written
    origin: Coordinates | None
    group: str
    type: str
    reason: str
    redrives: int
    bytes: int
    whole: bool
    creator: str | None
    video: str | None

    @property
    def id(self) -> str:
        return f"{self.partition}@{self.offset}"

    def to_json(self) -> dict[str, Any]:
        return {
            "letter": self.id,
            "at": self.at.isoformat(),
            "origin": self.origin.model_dump() if self.origin else None,
            "group": self.group,
            "type": self.type,
            "reason": self.reason,
            "redrives": self.redrives,
            "bytes": self.bytes,
            "whole": self.whole,
            "creatorId": self.creator,
            "videoId": self.video,
        }

    def says(self, name: str) -> str | None:
        """What a condition may ask for."""
        if name == "topic":
            return self.origin.topic if self.origin else None
        value: str | None = getattr(self, name)
        return value


@dataclass(frozen=True)
class Choice:
    """Which letters: all that is given must hold."""

    ids: frozenset[str] = frozenset()
    conditions: Sequence[Condition] = ()
    since: datetime | None = None
    before: datetime | None = None

    def takes(self, letter: Summary) -> bool:
        return (
            (not self.ids or letter.id in self.ids)
            and (self.since is None or letter.at >= self.since)
            and (self.before is None or letter.at < self.before)
            and all_hold(self.conditions, letter.says)
        )


def summary(letter: Letter, codec: Codec) -> Summary:
    creator, video = whose(letter.original(), codec)
    return Summary(
        partition=letter.record.partition,
        offset=letter.record.offset,
        at=datetime.fromtimestamp(letter.written_ms / 1000, UTC),
        origin=letter.origin,
        group=letter.group,
        type=letter.type,
        reason=letter.reason,
        redrives=letter.redrives,
        bytes=letter.bytes,
        whole=letter.whole,
        creator=creator,
        video=video,
    )


def whose(original: Record, codec: Codec) -> tuple[str | None, str | None]:
    """Creator and video, if the bytes say: the event where it can be read by now, else JSON, else headers and key."""
    try:
        event = codec.read(original).event
    except Undecodable:
        said = _of_json(original.value or b"")
        key = _of_key(original)
        creator = _text(said, "creatorId", "creator_id") or key.get("creatorId")
        video = _text(said, "videoId", "video_id") or read_headers(original.headers).get("subject")
        return creator, video or key.get("videoId")
    return event.owner(), getattr(event, "video_id", None)


def _of_json(value: bytes) -> dict[str, object]:
    try:
        said = from_json(value)
    except ValueError:
        return {}
    inner = said.get("data") if isinstance(said, dict) else None  # the old runner's envelope
    found = inner if isinstance(inner, dict) else said
    return found if isinstance(found, dict) else {}


def _text(said: dict[str, object], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := said.get(name), str) and value), None)


def _of_key(original: Record) -> dict[str, str]:
    """The key under the name of the field that it is on its topic."""
    if original.topic not in TOPICS or not original.key:
        return {}
    return {TOPICS[original.topic].key: original.key.decode(errors="replace")}


def refusal(letter: Summary, *, force: bool, deleted: Deletions = NONE_DELETED) -> str | None:
    """Why a letter must not go back to its topic; None if it may."""
    if letter.origin is None:
        return "its headers do not say where it came from"
    if letter.origin.topic not in TOPICS or letter.origin.topic == DEAD_LETTER:
        return f"{letter.origin.topic[:100]!r} is no topic that records go back to"
    if letter.redrives >= MOST_REDRIVES and not force:
        return f"it came back {letter.redrives} times, and {MOST_REDRIVES} are the limit: mend it, or use --force"
    if (since := deleted.get((letter.creator, letter.video))) and letter.at <= since:
        return f"its video was deleted at {since:%Y-%m-%d %H:%M:%S} UTC: drop it; to begin anew, send the request again"
    return None


@dataclass
class Plan:
    """What is to be done with a backlog. Letters that are neither chosen nor dropped stay in it."""

    drop: bool = False  # else they are sent back to where they came from

    chosen: list[Summary] = field(default_factory=list)
    refused: list[tuple[Summary, str]] = field(default_factory=list)
    staying: list[Summary] = field(default_factory=list)

    @property
    def id(self) -> str:
        return name_of([self.drop, sorted(letter.id for letter in self.chosen)])

    def know(self, ids: Iterable[str]) -> None:
        """
        Raises:
            NoSuchLetter: some are not in the backlog.
        """
        known = {one.id for one in (*self.chosen, *self.staying, *(one for one, _ in self.refused))}
        if unknown := sorted(set(ids) - known):
            raise NoSuchLetter(f"not in the backlog: {', '.join(unknown)}; `chronos deadletters list` has the places")

    def ends(self) -> dict[int, int]:
        """Up to where the group's offset can go, by partition: behind the last letter that is done with."""
        found: dict[int, int] = {}
        for letter in self.chosen:
            found[letter.partition] = max(found.get(letter.partition, 0), letter.offset + 1)
        return found

    def moving(self) -> int:
        """Letters that stay, but stand before one that is done with: they are written again, at the end."""
        ends, stay = self.ends(), [*self.staying, *(letter for letter, _ in self.refused)]
        return sum(letter.offset < ends.get(letter.partition, 0) for letter in stay)

    def by_topic(self) -> dict[str, int]:
        """How many records go where. Letters of one record send it once."""
        once = {(at.topic, at.partition, at.offset) for letter in self.chosen if (at := letter.origin)}
        return dict(sorted(Counter(topic for topic, _, _ in once).items()))


def plan(
    backlog: Iterable[Summary],
    choice: Choice,
    *,
    force: bool = False,
    drop: bool = False,
    deleted: Deletions = NONE_DELETED,
) -> Plan:
    """Sorts a backlog. What is dropped needs no place to go back to."""
    found = Plan(drop)
    for letter in backlog:
        if not choice.takes(letter):
            found.staying.append(letter)
        elif not drop and (why := refusal(letter, force=force, deleted=deleted)):
            found.refused.append((letter, why))
        else:
            found.chosen.append(letter)
    return found


def whole_json(letter: Letter) -> dict[str, Any]:
    """A letter with its bytes."""
    return {
        "letter": f"{letter.record.partition}@{letter.record.offset}",
        "at": datetime.fromtimestamp(letter.written_ms / 1000, UTC).isoformat(),
        "origin": letter.origin.model_dump() if letter.origin else None,
        "group": letter.group,
        "reason": letter.reason,
        "redrives": letter.redrives,
        "whole": letter.whole,
        "bytes": letter.bytes,
        "sha256": letter.sha256,
        "headers": [{"name": name, **_value(value)} for name, value in letter.record.headers],
        "key": _value(letter.record.key),
        "value": _value(letter.record.value),
    }


def _value(value: bytes | None) -> dict[str, str | None]:
    """Bytes as text where they are text, else as hex; both null where there are none."""
    text = None if value is None else as_text(value)
    return {"text": text, "hex": None if value is None or text is not None else value.hex()}
