"""Every event there is, by wire name: the list that topics, codec, docs and tests walk."""

from schemas import (  # noqa: F401  # imported so that they register
    batch,
    deletion,
    embedding,
    operating,
    running,
    spaces,
    transcription,
)
from schemas.event import CATALOGUE

__all__ = ["CATALOGUE"]
