"""The log read anew into a scratch schema: up to where the live tables are, and then to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from chronos import app, auditing
from chronos.adapters import serving, vectors
from chronos.config import Settings
from chronos.folding import folding as fold_into
from chronos.pipeline import EVENTS, FUNCTIONS
from schemas.catalogue import CATALOGUE
from schemas.embedding import ChunksEmbedded, EmbeddingsCompleted, TranscriptChunked
from schemas.event import Event
from streams.postgres import Connection, Pool
from streams.projector import Batch, Folding, Place
from streams.reading import LogScan, committed
from streams.stage import Function

Progress = Callable[[str, float], None]  # what is done, and the share of all of it (0 to 1)
Ends: TypeAlias = Mapping[Place, tuple[int, int]]  # first and next offset
Acked: TypeAlias = Mapping[str, Mapping[Place, int]]  # committed offsets by group

EFFECTS_FIRST = (EmbeddingsCompleted.name, ChunksEmbedded.name, TranscriptChunked.name)
"""Ends are read one after another. What is complete below its end has all of its parts below theirs only if theirs are
read later."""

CARRIERS = tuple(name for name, event in CATALOGUE.items() if event.paid_keys is not Event.paid_keys)

FOLDED_FROM, FOLDED_TO = 0.1, 0.85  # the share of a verification that is folding


async def acked(settings: Settings) -> Acked:
    """What each function is done with. Everything that it said before it acked is on the log by now."""
    return {function.group(): await _committed(settings, function) for function in FUNCTIONS}


async def _committed(settings: Settings, function: Function) -> Mapping[Place, int]:
    counts = await app.partitions(settings, (event.name for event in function.consumes))
    places = [(name, number) for name, count in counts.items() for number in range(count)]
    return await asyncio.to_thread(committed, app.cluster(settings), function.group(), places)


async def log_ends(settings: Settings, names: Iterable[str] | None = None) -> Ends:
    """The ends of topics; of all that is folded or carries paid results, if none is named."""
    wanted = dict.fromkeys((*EFFECTS_FIRST, *(event.name for event in EVENTS), *CARRIERS))
    partitions = await app.partitions(settings, wanted if names is None else names)
    return await asyncio.to_thread(LogScan(app.cluster(settings)).ends, partitions)


@dataclass
class Refolding:
    """A fold that goes on from where it was."""

    folding: Folding
    scan: LogScan
    ends: Ends
    progress: Progress
    at: dict[Place, int] = field(init=False)
    done: int = 0
    _expected: dict[Place, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at = {place: low for place, (low, _) in self.ends.items()}

    @classmethod
    async def begin(cls, settings: Settings, scratch: Pool, ends: Ends, progress: Progress) -> Refolding:
        """Into the tables of `scratch`, with the notes of the audit.

        Nobody else writes there: its videos are not locked by the names that the live projection uses.
        """
        partitions = vectors.Partitions("none")

        async def before(connection: Connection, batch: Batch) -> None:
            await partitions.make(connection, batch)
            await auditing.write_down(connection, batch.received)

        folding = await fold_into(settings, scratch, partitions)
        alone = replace(folding, settling=serving.settling_alone(), before=before)
        return cls(alone, LogScan(app.cluster(settings)), ends, progress)

    async def fold(self, until: Mapping[Place, int]) -> None:
        """Goes on up to these offsets."""
        total = max(1, sum(high - low for low, high in self.ends.values()))
        batches = self.scan.read({place: until.get(place, 0) for place in self.at}, self.at)
        while (records := await asyncio.to_thread(next, batches, None)) is not None:
            if records:
                self._expected |= await self.folding.apply(records, self._expected)
                self.done += len(records)
            self.progress("fold", FOLDED_FROM + (FOLDED_TO - FOLDED_FROM) * self.done / total)
        self.at = {place: max(at, until.get(place, 0)) for place, at in self.at.items()}
