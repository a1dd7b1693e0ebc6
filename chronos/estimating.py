"""What files would cost before anybody sends them: they are opened and listened to for pauses, as a worker would."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.ports import Audio, Fetched
from chronos.adapters.media import Limits, PyAvMedia
from chronos.config import Settings
from chronos.failures import TOKENS_A_SECOND
from chronos.fitting import cutting
from chronos.prices import per_million_tokens, per_minute


@dataclass(frozen=True)
class Estimate:
    """Of one file. Money in millionths of a dollar."""

    file: Path
    seconds: float
    heard: float  # seconds that are sent: pauses are not
    speech: int
    embedding: int  # about: nobody knows how many words there are

    @property
    def micro_usd(self) -> int:
        return self.speech + self.embedding

    def to_json(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "durationSeconds": self.seconds,
            "heardSeconds": self.heard,
            "speechMicroUsd": self.speech,
            "embeddingMicroUsd": self.embedding,
            "costMicroUsd": self.micro_usd,
        }


def estimate(settings: Settings, file: Path, creator: str | None) -> Estimate:
    """
    Raises:
        UnreadableMedia, MediaLimit: a worker would refuse it too.
    """
    media, source = PyAvMedia(Limits(), cutting(settings)), Fetched(file.resolve(), file.stat().st_size, "")
    with tempfile.TemporaryDirectory(prefix="chronos-") as room:
        return _priced(settings, file, asyncio.run(media.extract_audio(source, Path(room))), creator)


def _priced(settings: Settings, file: Path, audio: Audio, creator: str | None) -> Estimate:
    heard = sum(round(end - start, 3) for start, end in audio.spans)
    minute = per_minute(settings).get(settings.speech(creator), 0)
    tokens = per_million_tokens(settings).get(settings.embedding(), 0)
    speech, embedding = round(heard * minute / 60), round(heard * TOKENS_A_SECOND * tokens / 1e6)
    return Estimate(file, audio.duration, round(heard, 3), speech, embedding)


def total(estimates: Iterable[Estimate]) -> int:
    return sum(one.micro_usd for one in estimates)
