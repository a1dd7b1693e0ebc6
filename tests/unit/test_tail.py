"""Facts that stand on the log twice: a client that comes back is told of each once, wherever the two stand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka import Cluster
from streams.record import Record
from streams.tail import Tail

TOPIC = {"t": ("uuid", 1)}


@dataclass(frozen=True)
class Said:
    id: str


class Log(Tail[Said]):
    """A tail whose log is a list: what was missed is read from it."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(Cluster("nowhere"), TOPIC, lambda record: Said((record.key or b"").decode()))
        self.records = [Record("t", 0, n, n, one.encode(), None) for n, one in enumerate(ids)]

    async def _read_between(self, start, until):  # type: ignore[no-untyped-def]
        yield self.records[start.get(("t", 0), 0) : until[("t", 0)]]


@pytest.mark.parametrize("listening", [True, False])
@given(ids=st.lists(st.sampled_from("abc"), min_size=1, max_size=8), data=st.data())
async def test_each_fact_is_told_once_however_often_it_stands_there(
    listening: bool, ids: list[str], data: st.DataObject
):
    log = Log(ids)
    begun = data.draw(st.integers(0, len(ids)), "the server starts")
    start = data.draw(st.integers(0, len(ids)), "the client was cut off")
    joined = data.draw(st.integers(max(begun, start), len(ids)), "it comes back")
    log.next = {("t", 0): begun}
    other = log.follow(lambda said: True, None, 60)
    if listening:
        await anext(other)
    log._arrived(log.records[begun:joined])
    told: list[str] = []
    rest = [log.records[joined:]]
    idle = 0
    async for said, _ in log.follow(lambda said: True, {("t", 0): start}, 0.001):
        if said:
            told.append(said.id)
        elif (idle := idle + 1) == 2:  # the first one is the cursor that it begins with
            log._arrived(rest.pop())
        elif idle == 3:
            break
    await other.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert len(told) == len(set(told))
    assert set(ids[start:]) - set(ids[:start]) <= set(told) <= set(ids[start:])
