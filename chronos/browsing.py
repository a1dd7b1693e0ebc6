"""The log as people look at it: pages of a topic, and all that was said of a video or in one run of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chronos import app
from chronos.config import Settings
from schemas.avro import Undecodable
from schemas.event import Coordinates
from schemas.people import is_json
from schemas.topics import TOPICS
from streams.codec import Codec, Received
from streams.identity import asked_at
from streams.kafka import Cluster, partitions_of
from streams.postgres import Pool, Row, load_queries
from streams.reading import LogReader, LogScan, Place, offsets_at
from streams.record import Record

SQL = load_queries("projections.sql", "tracing.sql")

PATIENCE = 3.0  # seconds of reading for one page: who wants more goes on from where it ended
DEPTH = 20_000  # records before the end in which one video's are looked for
BEFORE, AFTER = timedelta(minutes=1), timedelta(minutes=10)
"""Around a run: clocks of producers differ, and who is told of a failure is told a while after it."""


class NoSuchTopic(Exception):
    """The log has no topic, or the topic no partition, of that name."""


@dataclass(frozen=True)
class Seen:
    """A record with what it says, or why it cannot be read."""

    record: Record
    received: Received | None
    problem: str | None = None

    @property
    def at(self) -> datetime:
        """When it was said; when it was written, where it cannot be read."""
        return (
            self.received.at if self.received else datetime.fromtimestamp(max(0, self.record.timestamp_ms) / 1000, UTC)
        )


@dataclass(frozen=True)
class Page:
    """Records that were looked for."""

    seen: Sequence[Seen]
    scanned: int
    cut: bool  # not all was looked through
    next: int | None = None  # where to go on, in one partition


@dataclass(frozen=True)
class Wish:
    """A part of a topic: from an offset on, or the newest."""

    topic: str
    partition: int | None = None
    offset: int | None = None  # of that partition, which is named then
    video: str | None = None
    limit: int = 50


Spans = Mapping[Place, tuple[int, int]]  # the first offset, and the one behind the last
Found = tuple[list[Record], int, bool]  # records, how many were looked at, whether time was over before the end


async def page(settings: Settings, wish: Wish) -> Page:
    """A part of a topic: the newest first, or from an offset of a partition on, the oldest first.

    Raises:
        NoSuchTopic.
    """
    codec, ends = await _ground(settings, wish)
    spans = {place: _span(wish, low, high, len(ends)) for place, (low, high) in ends.items()}
    means = _about(wish.video) if wish.video else None
    most = wish.limit if wish.offset is not None else None
    records, scanned, late = await asyncio.to_thread(_scan, app.cluster(settings), spans, means, most)
    seen = [see(codec, record) for record in records]
    if wish.video:
        seen = [one for one in seen if _video(one) in (None, wish.video)]
    if wish.offset is None:
        seen.sort(key=lambda one: (one.at, one.record.partition, one.record.offset), reverse=True)
        earlier = any(begin > ends[place][0] for place, (begin, _) in spans.items())
        return Page(seen[: wish.limit], scanned, late or earlier or len(seen) > wish.limit)
    [(begin, end)], [(_, high)] = spans.values(), ends.values()
    if len(records) == wish.limit:
        end = records[-1].offset + 1
    elif late:
        end = begin + scanned
    return Page(seen, scanned, end < high, end)


async def _ground(settings: Settings, wish: Wish) -> tuple[Codec, dict[Place, tuple[int, int]]]:
    """The partitions that may hold what is wished for."""
    if wish.topic not in TOPICS:
        raise NoSuchTopic(f"no topic is called {wish.topic!r}: there are {', '.join(TOPICS)}")
    ids = await app.topic_ids(settings)
    count = ids[wish.topic][1]
    if wish.partition is not None and wish.partition >= count:
        raise NoSuchTopic(f"{wish.topic} has the partitions 0 to {count - 1}")
    chosen: Iterable[int] = range(count) if wish.partition is None else [wish.partition]
    if wish.video and wish.partition is None and wish.topic in OF_VIDEOS:
        chosen = partitions_of(wish.video.encode(), TOPICS[wish.topic].partitions, count)
    places = [(wish.topic, number) for number in chosen]
    return app.codec(ids), await asyncio.to_thread(LogScan(app.cluster(settings)).ends_of, places)


def _span(wish: Wish, low: int, high: int, partitions: int) -> tuple[int, int]:
    deep = DEPTH // partitions if wish.video else wish.limit
    if wish.offset is None:
        return max(low, high - deep), high
    begin = max(low, wish.offset)
    return begin, max(begin, min(high, begin + deep))


def _about(video: str) -> Callable[[Record], bool]:
    """Whether a record may be about a video, before it is decoded: the id stands in it as it is, if not in JSON."""
    needle = video.encode()
    return lambda record: needle in (record.value or b"") or record.key == needle or is_json(record.value or b"")


def _scan(cluster: Cluster, spans: Spans, means: Callable[[Record], bool] | None, most: int | None = None) -> Found:
    """Blocks, for a few seconds at most."""
    begins, until = {p: begin for p, (begin, _) in spans.items()}, {p: end for p, (_, end) in spans.items()}
    found, scanned, deadline = list[Record](), 0, time.monotonic() + PATIENCE
    if not any(until[place] > begins[place] for place in spans):
        return [], 0, False
    with closing(LogScan(cluster).read(until, begins)) as batches:  # type: ignore[type-var]  # it is a generator
        for batch in batches:
            scanned += len(batch)
            found += [record for record in batch if means is None or means(record)]
            if most is not None and len(found) >= most:
                return found[:most], scanned, False
            if time.monotonic() > deadline:
                return found, scanned, True
    return found, scanned, False


def see(codec: Codec, record: Record) -> Seen:
    try:
        return Seen(record, codec.read(record))
    except Undecodable as error:
        return Seen(record, None, str(error))


def _video(seen: Seen) -> str | None:
    return getattr(seen.received.event, "video_id", None) if seen.received else None


OF_VIDEOS = tuple(name for name, topic in TOPICS.items() if topic.key == "videoId")
"""Topics whose key is the video's id: one partition each holds all of a video."""


async def of_video(settings: Settings, pool: Pool, video: tuple[str, str], run_id: str | None = None) -> Page:
    """All events of a creator's video, or of one run of it, in the order of their times, each once: what a rewind said
    again, later, is not read. Its requests are read where they stand, since they may have other keys."""
    runs = await pool.fetch(SQL["windows"], *video, run_id)
    if not runs:
        return Page([], 0, False)
    ids = await app.topic_ids(settings)
    codec, key = app.codec(ids), video[1].encode()
    places = [
        (name, number) for name in OF_VIDEOS for number in partitions_of(key, TOPICS[name].partitions, ids[name][1])
    ]
    requests = asyncio.to_thread(_requests, app.cluster(settings), runs)
    scans = asyncio.to_thread(_in_windows, app.cluster(settings), places, _windows(runs), key)
    asked, (records, scanned, late) = await asyncio.gather(requests, scans)
    by_id = {one.received.id: one for one in (see(codec, record) for record in [*asked, *records]) if one.received}
    mine = [one for one in by_id.values() if _is_of(one.received, video, run_id)]
    mine.sort(key=lambda one: (one.at, one.record.topic, one.record.offset))
    return Page(mine, scanned + len(asked), late)


def _is_of(received: Received | None, video: tuple[str, str], run_id: str | None) -> bool:
    assert received is not None
    event = received.event
    whose = (event.owner(), getattr(event, "video_id", None))
    return whose == video and run_id in (None, getattr(event, "run_id", received.run_id))


def _requests(cluster: Cluster, runs: Iterable[Row]) -> list[Record]:
    """Blocks."""
    places = [Coordinates(topic=r["topic"], partition=r["partition"], offset=r["offset"]) for r in runs if r["topic"]]
    return [record for record in LogReader(cluster).all_at(places).values() if record is not None]


Window = tuple[datetime, datetime | None]


def _windows(runs: Iterable[Row]) -> list[Window]:
    """The times of runs, the oldest first; those that touch are one. An open one has no end."""
    found: list[Window] = []
    for run in sorted(runs, key=lambda run: str(run["run_id"])):
        begin = asked_at(str(run["run_id"])) - BEFORE
        end = run["changed_at"] + AFTER if run["over"] else None
        if found and (found[-1][1] is None or begin <= found[-1][1]):
            begin, last = found.pop()
            end = None if end is None or last is None else max(end, last)
        found.append((begin, end))
    return found


def _in_windows(cluster: Cluster, places: Sequence[Place], windows: Iterable[Window], key: bytes) -> Found:
    """Records of a key. Blocks."""
    ends = LogScan(cluster).ends_of(places)
    found, scanned, late = list[Record](), 0, False
    for begin, end in windows:
        begins, until = _offsets(cluster, places, begin), _offsets(cluster, places, end)
        spans = {p: (begins.get(p, high), until.get(p, high)) for p, (_, high) in ends.items()}
        records, looked, over = _scan(cluster, spans, lambda record: record.key == key)
        found, scanned, late = found + records, scanned + looked, late or over
    return found, scanned, late


def _offsets(cluster: Cluster, places: Sequence[Place], at: datetime | None) -> dict[Place, int]:
    return offsets_at(cluster, places, int(at.timestamp() * 1000)) if at else {}
