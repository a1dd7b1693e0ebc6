"""A member of the projection's group, on a consumer of paper: what is lost in a rebalance harms nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.kafka import Cluster
from streams.member import Projector
from streams.projector import Moved, Place
from streams.record import Record

A, B = ("t", 0), ("t", 1)


class Paper:
    """A consumer that has been given partitions; some of them it cannot seek in."""

    def __init__(self) -> None:
        self.unready: set[Place] = set()
        self.committed_offsets: dict[Place, int] = {}
        self.paused: set[Place] = set()
        self.at: dict[Place, int] = {}

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.at = {place(p): p.offset for p in partitions}

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused |= {place(p) for p in partitions}

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused -= {place(p) for p in partitions}

    def seek(self, partition: TopicPartition) -> None:
        if place(partition) in self.unready:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.at[place(partition)] = partition.offset

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(*place(p), self.committed_offsets.get(place(p), -1001)) for p in partitions]

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, 100

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        self.committed_offsets |= {place(p): p.offset for p in offsets}


class Tables:
    """Fulfils what a projector needs of a folding."""

    def __init__(self) -> None:
        self.stand: dict[Place, int] = {}
        self.trouble: Exception | None = None

    async def checkpoints(self) -> Mapping[Place, int]:
        if self.trouble:
            raise self.trouble
        return dict(self.stand)

    async def apply(self, records: Sequence[Record], expected: Mapping[Place, int | None]) -> dict[Place, int]:
        moved = {(r.topic, r.partition): r.offset + 1 for r in records}
        if any(self.stand.get(one) != expected.get(one) for one in moved):
            raise Moved
        self.stand |= moved
        return moved


class Member(Projector):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables, Cluster("127.0.0.1:1"), "g")  # type: ignore[arg-type]  # all that is needed of one
        self.paper: Any = Paper()
        self._consumer = self.paper


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def member(tables: Tables) -> Member:
    return Member(tables)


def place(partition: TopicPartition) -> Place:
    return partition.topic, partition.partition


def given(member: Member, *places: Place) -> None:
    member._assigned(member.paper, [TopicPartition(*one) for one in places])


def record(one: Place, offset: int) -> Record:
    return Record(*one, offset, 0, b"", b"")


async def test_it_begins_at_the_lower_of_group_offset_and_checkpoint(tables: Tables, member: Member):
    tables.stand, member.paper.committed_offsets = {A: 7, B: 5}, {A: 3, B: 9}
    given(member, A, B)
    assert member.paper.paused == {A, B}
    await member._begin()
    assert (member.paper.at, member.paper.paused) == ({A: 3, B: 5}, set())


async def test_a_partition_that_cannot_begin_yet_holds_up_no_other(tables: Tables, member: Member):
    tables.stand, member.paper.unready = {A: 7, B: 5}, {A}
    given(member, A, B)
    await member._begin()
    assert (member.paper.at[B], member.paper.paused) == (5, {A})
    member.paper.unready = set()
    await member._begin()
    assert (member.paper.at[A], member.paper.paused) == (7, set())


@pytest.mark.parametrize("trouble", [ConnectionRefusedError(), TimeoutError()])
async def test_while_the_database_is_away_it_can_be_polled_and_fetches_nothing(
    tables: Tables, member: Member, trouble: Exception
):
    tables.trouble = trouble
    given(member, A)
    await asyncio.wait_for(member._begin(), 1)
    assert member.paper.paused == {A}
    tables.trouble = None
    await member._begin()
    assert member.paper.paused == set()


async def test_where_another_has_folded_meanwhile_it_reads_on_from_there(tables: Tables, member: Member):
    given(member, A, B)
    await member._begin()
    tables.stand[A] = 4
    await member._apply([record(A, 0), record(B, 0)])
    assert member.paper.paused == {A, B}
    await member._begin()
    assert (member.paper.at, member.paper.paused) == ({A: 4, B: 0}, set())


async def test_records_of_a_partition_that_was_just_lost_end_nothing(tables: Tables, member: Member):
    tables.stand = {A: 4}
    given(member, A, B)
    await member._begin()
    member._revoked(member.paper, [TopicPartition(*A)])
    await member._apply([record(A, 4), record(B, 0)])
    assert member.paper.paused == {B}
    await member._begin()
    await member._apply([record(B, 0)])
    assert (tables.stand, member.paper.committed_offsets) == ({A: 4, B: 1}, {B: 1})
