"""The log folded in bulk: a partition's facts in memory, then into the tables by COPY, with its checkpoint.

What is folded is a join, so that the order in which partitions come does not matter; what was kept before a kill is not
read again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg
import structlog

from streams.postgres import patiently
from streams.projection import Rows
from streams.projector import Batch, Folding, Moved, Place, Writing, ends
from streams.reading import LogScan
from streams.writing import copy, write

log = structlog.get_logger()

FRESH_BYTES = 128 * 1024 * 1024
"""Of records that are folded in memory before they are copied: rows take about three times as much."""
JOINED_BYTES = 8 * 1024 * 1024  # into tables that hold rows of the same keys already

Counted = Callable[[int], None]


@dataclass
class Bulk:
    """Folds partitions one after another into tables that nobody reads."""

    folding: Folding
    scan: LogScan
    ends: Mapping[Place, tuple[int, int]]  # first and next offset
    counted: Counted
    a_second: float | None = None  # records at most
    done: int = 0
    _began: float = field(default_factory=time.monotonic)

    async def load(self, places: Iterable[Place]) -> None:
        """Folds some partitions up to their end, from where they were left. Their keys are in no other partition, as
        a rule: where they are, rows are joined."""
        found = await self.folding.checkpoints()
        begins = {place: found.get(place, self.ends[place][0]) for place in places}
        expected: dict[Place, int | None] = {place: found.get(place) for place in begins}
        fresh = all(offset is None for offset in expected.values())
        rows: dict[str, Rows] = {}
        moved = {place: begin for place, begin in begins.items() if begin and place not in found}  # cut off before it
        size = 0
        batches = self.scan.read({place: self.ends[place][1] for place in begins}, begins)
        while (records := await asyncio.to_thread(next, batches, None)) is not None:
            self.folding.fold(records, rows)
            moved |= ends(records)
            size += sum(len(record.value or b"") for record in records)
            await self._count(len(records))
            if size > (FRESH_BYTES if fresh else JOINED_BYTES):
                await self._keep(rows, moved, expected, fresh=fresh)
                expected |= moved
                rows, moved, size, fresh = {}, {}, 0, False
        if moved:
            await self._keep(rows, moved, expected, fresh=fresh)

    async def _keep(
        self, rows: dict[str, Rows], moved: Mapping[Place, int], expected: Mapping[Place, int | None], *, fresh: bool
    ) -> None:
        try:
            await self._write(Batch([], rows), moved, expected, copy if fresh else write)
        except Moved:
            found = await self.folding.checkpoints()
            if any(found.get(place) != offset for place, offset in moved.items()):
                raise
            log.info("kept already: the answer was lost on its way", partitions=len(moved))

    async def _write(
        self, batch: Batch, moved: Mapping[Place, int], expected: Mapping[Place, int | None], writing: Writing
    ) -> None:
        try:
            await patiently(lambda: self.folding.keep(batch, moved, expected, writing=writing))
        except asyncpg.UniqueViolationError:  # another partition holds some of these keys: a record had its own key
            await patiently(lambda: self.folding.keep(batch, moved, expected))

    async def _count(self, records: int) -> None:
        self.done += records
        self.counted(records)
        if self.a_second:
            await asyncio.sleep(max(0.0, self._began + self.done / self.a_second - time.monotonic()))
