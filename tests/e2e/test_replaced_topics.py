"""A topic that was made anew or has grown: nothing starts on it unasked, and the remedy that is named really helps."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]  # it is there

from chronos import planning
from chronos.offsets import Earliest
from chronos.verifying import verify
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics, TopicsMissing
from tests.e2e.test_rewind import caught_up, chronos, videos
from tests.stack import Hands, Stack, until

REMEDY = re.compile(r"`(chronos rewind [^`]*)`")


@pytest.mark.long
async def test_after_a_topic_has_grown(hands: Hands, stack: Stack, tmp_path: Path):
    topic = "transcription.completed"
    await videos(hands, tmp_path, "fewer", 2)
    await until("all is acked", lambda: caught_up(hands))
    await change(stack, lambda admin: grow(admin, topic, 16))
    assert await cure(stack, "functions", stack.start_functions) == "chronos.generate-embeddings"
    assert await cure(stack, "projection", stack.start_projection) == "projection"
    await videos(hands, tmp_path, "more", 8)
    await until("all is acked", lambda: caught_up(hands))
    planned = await planning.plan(hands.settings, "chronos.generate-embeddings", Earliest())
    assert any(number >= 12 and at > to for (_, number), (at, to) in planned.moves.items())
    report = await verify(hands.settings)
    assert report.ok, report


@pytest.mark.long
async def test_after_a_topic_was_made_anew(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "older", 2)
    await until("all is acked", lambda: caught_up(hands))
    await change(stack, lambda admin: make_anew(admin, stack, "transcribe.requested"))
    assert await cure(stack, "functions", stack.start_functions) == "chronos.transcribe-video"
    assert await cure(stack, "projection", stack.start_projection) == "projection"
    async with stack.hands() as now:
        await videos(now, tmp_path, "newer", 2)
        await until("all is acked", lambda: caught_up(now))


async def change(stack: Stack, work: Callable[[AdminClient], None]) -> None:
    """Changes the topics while nothing is at work."""
    for name in list(stack.processes):
        assert stack.terminate(name) == 0
    await asyncio.to_thread(work, AdminClient({"bootstrap.servers": stack.bootstrap}))


def make_anew(admin: AdminClient, stack: Stack, topic: str) -> None:
    admin.delete_topics([topic])[topic].result(30)
    topics = Topics(Cluster(stack.bootstrap))
    while topics.create([TOPICS[topic]]) != [topic]:  # deleting takes the broker a moment
        pass
    while True:
        try:
            topics.ids([topic])
        except TopicsMissing:
            continue
        return


def grow(admin: AdminClient, topic: str, partitions: int) -> None:
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)
    while len(admin.list_topics(topic, timeout=10).topics[topic].partitions) != partitions:
        pass


async def cure(stack: Stack, name: str, start: Callable[[], None]) -> str:
    """Starts what must refuse, does what it says word for word, and starts it again; gives the group that it named."""
    log = stack.home / f"{name}.log"
    before = log.stat().st_size
    start()
    assert await asyncio.to_thread(stack.processes.pop(name).wait, 40) != 0
    said = log.read_bytes()[before:].decode()
    found = REMEDY.search(said)
    assert found, said
    words = shlex.split(found[1])
    done = await chronos(stack, *words[1:])
    assert done.exit_code == 0, done.stderr
    start()
    return words[2]
