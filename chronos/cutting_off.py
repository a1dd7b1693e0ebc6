"""Where a video's events stand on the log: what Kafka's own tool needs to cut the log off behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from chronos import app
from chronos.config import Settings
from chronos.letters import whose
from schemas.avro import Undecodable
from schemas.deletion import VideoDelete, VideoDeleted
from schemas.running import UsageRecorded
from schemas.topics import DEAD_LETTER, TOPICS
from streams.codec import Codec
from streams.deadletter import read_letter
from streams.reading import LogScan
from streams.record import Record

Progress = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)

STAYING = (VideoDelete.name, VideoDeleted.name, UsageRecorded.name)
"""What keeps a video deleted through every rebuild, and the bill: neither holds anything that was said in it."""


async def behind(
    settings: Settings, creator_id: str, video_id: str, progress: Progress = lambda what, share: None
) -> dict[str, Any]:
    """For each partition that holds an event of a video the offset behind the last one, as `kafka-delete-records` reads
    it. The whole log is read for it."""
    ids = await app.topic_ids(settings)
    codec, scan = app.codec(ids), LogScan(app.cluster(settings))
    names = [name for name in TOPICS if name not in STAYING]
    ends = await asyncio.to_thread(scan.ends, {name: ids[name][1] for name in names})
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    total, done, found = max(1, sum(high - low for low, high in ends.values())), 0, dict[tuple[str, int], int]()
    batches = scan.read(until, begins)
    while (records := await asyncio.to_thread(next, batches, None)) is not None:
        for record in records:
            if _whose(record, codec) == (creator_id, video_id):
                place = (record.topic, record.partition)
                found[place] = max(found.get(place, 0), record.offset + 1)
        done += len(records)
        progress("read", done / total)
    partitions = [{"topic": topic, "partition": number, "offset": at} for (topic, number), at in sorted(found.items())]
    return {"version": 1, "partitions": partitions}


def _whose(record: Record, codec: Codec) -> tuple[str | None, str | None]:
    """Creator and video of an event, or of what a dead letter was made of."""
    if record.topic == DEAD_LETTER:
        return whose(read_letter(record).original(), codec)
    try:
        event = codec.read(record).event
    except Undecodable:
        return whose(record, codec)
    return event.owner(), getattr(event, "video_id", None)
