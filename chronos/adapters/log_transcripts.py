"""Transcripts read back from the log itself, by their coordinates."""

from __future__ import annotations

import asyncio

from agents.ports import TranscriptMissing
from schemas.event import Coordinates
from schemas.transcription import TranscriptionCompleted
from streams.codec import Codec, Undecodable
from streams.erasing import Eraser
from streams.reading import LogReader


class LogTranscripts:
    """Reads one record at a time: reprocessing is not in a hurry."""

    def __init__(self, reader: LogReader, codec: Codec, eraser: Eraser) -> None:
        self._reader, self._codec, self._eraser = reader, codec, eraser

    async def read(self, at: Coordinates) -> tuple[str, TranscriptionCompleted]:
        """See agents.ports.Transcripts."""
        where = f"{at.topic}/{at.partition}@{at.offset}"
        if at.topic != TranscriptionCompleted.name:
            raise TranscriptMissing(f"{where} is no place of a transcript: they stand on {TranscriptionCompleted.name}")
        record = await asyncio.to_thread(self._reader.at, at)
        if record is None:
            raise TranscriptMissing(f"no record stands at {where}")
        try:
            received = self._codec.read(record)
        except Undecodable as error:
            raise TranscriptMissing(f"the record at {where} is no transcript: {error}") from error
        assert isinstance(received.event, TranscriptionCompleted)
        if await self._eraser.deleted([received]):
            raise TranscriptMissing(
                f"the video of the transcript at {where} was deleted: send transcribe.requested anew"
            )
        return received.id, received.event
