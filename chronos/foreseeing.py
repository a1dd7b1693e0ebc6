"""What processing records again would come to: which are over, which would run, and what those would pay for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.cutter import Cutting, spans
from agents.ports import Audio, Fetched
from chronos import app
from chronos.adapters.log_transcripts import LogTranscripts
from chronos.adapters.projected_spaces import ProjectedSpaces
from chronos.config import Settings
from chronos.embedders import Embedders
from chronos.fitting import ModelOfEach, chunking, cutting, fitted, shape
from schemas.transcription import AudioExtracted
from streams.codec import Codec, Received, Undecodable
from streams.erasing import Eraser
from streams.journal import Journal, Rewind
from streams.postgres import Pool
from streams.purchases import Purchases
from streams.reading import LogReader, LogScan
from streams.record import Record
from streams.rehearsal import Foreseen, Reckoning, Unforeseeable, rehearse
from streams.stage import Function

NOWHERE = Path("nowhere")


@dataclass
class Foresight:
    """What records that are to be processed again would come to."""

    events: int = 0
    passed_over: int = 0  # unreadable, or not for this function
    silent: int = 0  # over, and acked without a word
    runs: int = 0
    videos: set[tuple[str | None, str]] = field(default_factory=set)  # of the runs
    creators: set[str | None] = field(default_factory=set)
    needs: Foreseen = field(default_factory=Foreseen)


class Foreseer:
    """Looks ahead for one function, as it would work with these settings. `pool` finds the projection's tables too."""

    def __init__(self, settings: Settings, function: Function, codec: Codec, pool: Pool) -> None:
        self._settings, self._function, self._codec, self._pool = settings, fitted(settings, function), codec, pool
        self._journal, self._eraser, self._reckoning = Journal(pool), Eraser(pool), Reckoning(Purchases(pool))
        self.fingerprint = function.fingerprint(shape(settings, function))
        self._embedders = Embedders(settings)
        self._ports = self._without_effects()
        self._audio: dict[str, Audio] | None = None

    async def close(self) -> None:
        """Closes the connections to providers, of whom nothing was asked."""
        await self._embedders.close()
        if "hearing" in self._ports:
            await self._ports["hearing"].close()

    async def look(self, records: Iterable[Record], rewind: Rewind, into: Foresight) -> None:
        """Adds what these records would come to."""
        asked = []
        for record in records:
            into.events += 1
            received = self._read(record)
            if received is None:
                into.passed_over += 1
            else:
                asked.append(received)
        ids = [(received.id, rewind) for received in asked]
        over = await self._journal.over(self._function.name, self.fingerprint, ids) | await self._eraser.deleted(asked)
        into.silent += len(over)
        for received in asked:
            if received.id not in over:
                await self._foresee(received, into)

    async def price(self, record: Record, into: Foresight) -> None:
        """Adds what a new run of this record would need."""
        into.events += 1
        if (received := self._read(record)) is None:
            into.passed_over += 1
        else:
            await self._foresee(received, into)

    def _read(self, record: Record) -> Received | None:
        try:
            received = self._codec.read(record)
        except Undecodable:
            return None
        return received if self._function.accepts(received.event) else None

    async def _foresee(self, received: Received, into: Foresight) -> None:
        into.runs += 1
        into.videos.add((received.event.owner(), received.event.subject()))
        into.creators.add(received.event.owner())
        if not self._ports:
            return  # it pays for nothing
        ports = self._ports
        if "media" in ports:
            ports = {**ports, **_Remembered((await self._sounds()).get(received.id)).ports()}
        into.needs += await rehearse(self._function, received, ports, self._journal, self._reckoning)

    def _without_effects(self) -> Mapping[str, Any]:
        """The function's ports, of which none does anything but read."""
        if "hearing" in self._function.ports:
            return {"hearing": ModelOfEach(self._settings), "media": None}
        if "spaces" in self._function.ports:
            transcripts = LogTranscripts(LogReader(app.cluster(self._settings)), self._codec, self._eraser)
            return {
                "spaces": ProjectedSpaces(self._pool, self._embedders),
                "chunking": chunking(self._settings),
                "transcripts": transcripts,
            }
        return {}

    async def _sounds(self) -> dict[str, Audio]:
        """Each sound that was opened before, as it would be cut now, by the id of the request."""
        if self._settings.speech_context:
            return {}  # what a call is told hangs on what the one before it gives: nobody knows its key
        if self._audio is None:
            partitions = await app.partitions(self._settings, [AudioExtracted.name])
            self._audio = await asyncio.to_thread(self._read_sounds, partitions)
        return self._audio

    def _read_sounds(self, partitions: Mapping[str, int]) -> dict[str, Audio]:
        now = cutting(self._settings)
        scan = LogScan(app.cluster(self._settings))
        ends = scan.ends(partitions)
        begins, until = {p: low for p, (low, _) in ends.items()}, {p: high for p, (_, high) in ends.items()}
        found: dict[str, Audio] = {}
        for batch in scan.read(until, begins):
            for record in batch:
                try:
                    received = self._codec.read(record)
                except Undecodable:
                    continue
                if isinstance(received.event, AudioExtracted) and (audio := cut_anew(received.event, now)):
                    found[received.cause_id] = audio
        return found


def cut_anew(found: AudioExtracted, now: Cutting) -> Audio | None:
    """A sound that was opened before, as it would be cut now; None where other pauses would be found in it."""
    if found.pauses is not None and found.listener == now.listener():
        pauses = [(pause.start, pause.end) for pause in found.pauses]
        cut = spans(found.duration_seconds, pauses, now)
    elif found.pauses is None and now == Cutting():  # a fact of version 1: nothing was ever cut otherwise then
        cut = tuple((span.start, span.end) for span in found.segments)
    else:
        return None
    source = Fetched(NOWHERE, found.bytes, found.sha256)
    return Audio(source, NOWHERE, found.codec, found.duration_seconds, cut, (), now.listener(), found.track or 0)


class _Remembered:
    """Store and media out of what was found in a video before: nothing is fetched and nothing decoded."""

    def __init__(self, audio: Audio | None) -> None:
        self._audio = audio

    def ports(self) -> dict[str, Any]:
        return {"scratch": self, "storage": self, "media": self}

    @asynccontextmanager
    async def room(self) -> AsyncIterator[Path]:
        yield NOWHERE

    async def fetch(self, path: str, room: Path) -> Fetched:
        if self._audio is None:
            raise Unforeseeable("nobody has looked into this video yet, or listened to it as it would be now")
        return self._audio.source

    async def extract_audio(self, source: Fetched, room: Path, language: str | None = None) -> Audio:
        assert self._audio is not None
        return self._audio
