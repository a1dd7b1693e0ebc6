"""The backlog of dead letters: read, shown, sent back to where the records came from, or dropped.

What is done with is said by the group `chronos.deadletters` alone: everything from its committed offset on is the
backlog. Only one member works at a time, and an offset is committed after the broker has what was sent.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from chronos import app, operations
from chronos.config import Settings
from chronos.letters import AnotherAtWork, Choice, NoSuchLetter, Plan, Summary, plan, summary
from schemas.event import Coordinates
from streams.codec import Codec
from streams.deadletter import TOPIC, Letter, digest, read_letter, redriven
from streams.erasing import Eraser
from streams.journal import prepare
from streams.kafka import BrokerAway, Cluster, Outbox, TooLarge, to_record
from streams.reading import LogReader, LogScan, committed
from streams.record import Record

GROUP = "chronos.deadletters"
BATCH = 100  # letters between two commits: what is sent twice, at most, if this program dies
PATIENCE = 30.0  # seconds for the group to be ours, and between two batches

Progress = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)


@dataclass
class Outcome:
    """What was done."""

    redriven: int = 0  # letters whose records are back on their topics
    dropped: int = 0
    moved: int = 0  # letters that stay, written again behind the others
    refused: list[tuple[Summary, str]] = field(default_factory=list)


def to_json(planned: Plan, done: Outcome | None) -> dict[str, Any]:
    """As `deadletters redrive --json` and `drop --json` say it."""
    refused = done.refused if done else planned.refused
    return {
        "executed": done is not None,
        "plan": planned.id,
        "letters": [one.to_json() for one in planned.chosen],
        "topics": planned.by_topic(),
        "refused": [{**one.to_json(), "why": why} for one, why in refused],
        "staying": len(planned.staying),
        "redriven": done.redriven if done else 0,
        "dropped": done.dropped if done else 0,
        "writtenAgain": done.moved if done else planned.moving(),
    }


async def backlog(settings: Settings, progress: Progress = lambda what, share: None) -> list[Summary]:
    """All letters that are not done with, the oldest first."""
    ids = await app.topic_ids(settings)
    codec, scan = app.codec(ids), LogScan(app.cluster(settings))
    ends = await asyncio.to_thread(scan.ends, {TOPIC: ids[TOPIC][1]})
    stands = await asyncio.to_thread(committed, app.cluster(settings), GROUP, ends)
    begins = {place: max(low, stands.get(place, low)) for place, (low, _) in ends.items()}
    until = {place: high for place, (_, high) in ends.items()}
    total, done, found = sum(max(0, until[p] - begins[p]) for p in until), 0, list[Summary]()
    batches = scan.read(until, begins)
    while (records := await asyncio.to_thread(next, batches, None)) is not None:
        found += [summary(read_letter(record), codec) for record in records]
        done += len(records)
        progress("read", done / max(1, total))
    return sorted(found, key=lambda letter: (letter.at, letter.partition, letter.offset))


async def letter(settings: Settings, name: str) -> Letter:
    """One letter with its bytes: by its number in the list, or by its place `partition@offset`.

    Raises:
        NoSuchLetter.
    """
    place = await _place(settings, name)
    if place is None:
        raise NoSuchLetter(f"no letter {name!r} is in the backlog; `chronos deadletters list` has their places")
    record = await asyncio.to_thread(LogReader(app.cluster(settings)).at, place)
    if record is None:
        raise NoSuchLetter(f"no letter stands at {name}; `chronos deadletters list` has their places")
    return read_letter(record)


async def _place(settings: Settings, name: str) -> Coordinates | None:
    """Where the letter of a name may stand."""
    if found := re.fullmatch(r"([0-9]{1,6})@([0-9]{1,18})", name):
        there = int(found[1]) < (await app.topic_ids(settings))[TOPIC][1]
        return Coordinates(topic=TOPIC, partition=int(found[1]), offset=int(found[2])) if there else None
    if re.fullmatch(r"[0-9]{1,9}", name) and 0 < int(name) <= len(letters := await backlog(settings)):
        chosen = letters[int(name) - 1]
        return Coordinates(topic=TOPIC, partition=chosen.partition, offset=chosen.offset)
    return None


async def planned(
    settings: Settings, choice: Choice, *, force: bool, drop: bool, progress: Progress = lambda what, share: None
) -> Plan:
    """What would be done with the backlog as it is now.

    Raises:
        NoSuchLetter: one that was named is not there.
    """
    letters = await backlog(settings, progress)
    async with app.projection_pool(settings, most=1) as pool:
        await prepare(pool)
        deleted = await Eraser(pool).deletions((letter.creator, letter.video) for letter in letters)
    found = plan(letters, choice, force=force, drop=drop, deleted=deleted)
    found.know(choice.ids)
    return found


async def execute(
    settings: Settings, wanted: Plan, reason: str | None, progress: Progress = lambda what, share: None
) -> Outcome:
    """Sends what is chosen back to its topics (or drops it), moves the group's offset behind it, and tells of it.

    Raises:
        AnotherAtWork: nothing was lost; what was sent before is committed.
    """
    done = await _carry_out(settings, wanted, progress)
    planned = {"letters": [one.id for one in wanted.chosen]}
    outcome = {"redriven": done.redriven, "dropped": done.dropped}
    await operations.tell(settings, "drop" if wanted.drop else "redrive", TOPIC, reason, planned, outcome)
    return done


async def _carry_out(settings: Settings, wanted: Plan, progress: Progress) -> Outcome:
    if not wanted.chosen:
        return Outcome(refused=list(wanted.refused))
    ids = await app.topic_ids(settings)
    outbox = Outbox(app.cluster(settings))
    work = _Work(settings, wanted, outbox, app.codec(ids))
    total, done = len(wanted.chosen) + wanted.moving(), 0
    try:
        async with _member(settings, wanted.ends()) as member:
            while (records := await asyncio.to_thread(member.next)) is not None:
                await asyncio.gather(*(work.one(record) for record in records))
                await asyncio.to_thread(member.commit, records)
                done += len(records)
                progress("send", done / max(1, total))
    finally:
        await outbox.close()
    return work.outcome


class _Work:
    """What happens to each letter, in the order of the log."""

    def __init__(self, settings: Settings, wanted: Plan, outbox: Outbox, codec: Codec) -> None:
        self._chosen = {letter.id for letter in wanted.chosen}
        self._outbox, self._codec, self._drop = outbox, codec, wanted.drop
        self._reader = LogReader(app.cluster(settings))
        self._sent: dict[tuple[str, int, int], asyncio.Future[str | None]] = {}
        self.outcome = Outcome(refused=list(wanted.refused))

    async def one(self, record: Record) -> None:
        """Done when the broker has what was sent for it."""
        if f"{record.partition}@{record.offset}" not in self._chosen:
            await self._move(record)
        elif self._drop:
            self.outcome.dropped += 1
        else:
            await self._redrive(read_letter(record))

    async def _redrive(self, letter: Letter) -> None:
        place = letter.origin
        assert place is not None  # the plan refuses others
        key = (place.topic, place.partition, place.offset)
        if key not in self._sent:  # two groups may have made a letter each of one record: it is sent once
            self._sent[key] = asyncio.ensure_future(self._send(letter, place))
        if why := await self._sent[key]:
            self.outcome.refused.append((summary(letter, self._codec), why))
            await self._move(letter.record)
        else:
            self.outcome.redriven += 1

    async def _send(self, letter: Letter, place: Coordinates) -> str | None:
        """Puts the original on its topic again; gives why it cannot be."""
        original = letter.original() if letter.whole else await asyncio.to_thread(self._reader.at, place)
        if original is None:
            return f"its bytes stayed at {letter.origin}, and nothing stands there any more"
        if not letter.whole and digest(original.value) != letter.sha256:
            return f"its bytes stayed at {original}, and another record stands there now"
        try:
            headers = redriven(original, letter.redrives + 1)
            await self._outbox.send(place.topic, original.key, original.value, headers)
        except TooLarge as error:
            return f"the broker does not take it: {error}"
        return None

    async def _move(self, record: Record) -> None:
        """A letter that stays is written again at the end, since the offset goes over it. Its own times stay in it."""
        await self._outbox.send(TOPIC, record.key, record.value, record.headers)
        self.outcome.moved += 1


@asynccontextmanager
async def _member(settings: Settings, ends: dict[int, int]) -> AsyncIterator[_Member]:
    member = await asyncio.to_thread(_Member, app.cluster(settings), ends)
    try:
        yield member
    finally:
        await asyncio.to_thread(member.close)


class _Member:
    """The one member of the group: two would send the same letters. All its methods block."""

    def __init__(self, cluster: Cluster, ends: dict[int, int]) -> None:
        self._left, self._missing = dict(ends), set[int]()
        self._cluster = cluster
        self._consumer = Consumer(
            cluster.settings(
                {
                    "group.id": GROUP,
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "fetch.message.max.bytes": 8 * 1024 * 1024,
                    "queued.max.messages.kbytes": 65_536,
                }
            )
        )
        self._consumer.subscribe([TOPIC], on_assign=self._on_assign)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Called within consume. Only what has something to do is read; the offset of the rest stays.

        Another redrive may have come further than the plan knew: what it did is not there any more.
        """
        self._missing = self._left.keys() - {place.partition for place in partitions}
        for place in consumer.committed(partitions, timeout=10):
            if place.offset >= self._left.get(place.partition, place.offset + 1):
                del self._left[place.partition]
        consumer.assign([place for place in partitions if place.partition in self._left])

    def next(self) -> list[Record] | None:
        """The next letters, below the ends; None when there are no more."""
        deadline = time.monotonic() + PATIENCE
        while self._left and time.monotonic() < deadline:
            messages = self._consume()
            if self._missing:
                raise AnotherAtWork("another `chronos deadletters` is at work; wait until it is over")
            records = [to_record(message) for message in messages if not message.error()]
            if records := [r for r in records if r.offset < self._left.get(r.partition, 0)]:
                self._close_off(records)
                return records
        if self._left:
            raise BrokerAway(f"the broker at {self._cluster.bootstrap} sent nothing for {PATIENCE:.0f} s")
        return None

    def _consume(self) -> list[Message]:
        try:
            return self._consumer.consume(BATCH, 0.2)
        except KafkaException as error:  # out of _on_assign, which asks where the group stands
            raise BrokerAway(f"group {GROUP}: {error.args[0].str()}") from error

    def _close_off(self, records: list[Record]) -> None:
        for record in records:
            if record.offset + 1 >= self._left.get(record.partition, 0):
                self._left.pop(record.partition, None)

    def commit(self, records: list[Record]) -> None:
        """Raises AnotherAtWork: the group has gone to another member."""
        ends: dict[int, int] = {}
        for record in records:
            ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
        offsets = [TopicPartition(TOPIC, partition, offset) for partition, offset in ends.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise AnotherAtWork(
                f"what was sent last could not be noted ({error.args[0].str()}): it may be sent again"
            ) from error

    def close(self) -> None:
        self._consumer.close()
