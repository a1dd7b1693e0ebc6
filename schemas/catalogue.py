"""Every event there is, by wire name: the list that topics, codec, docs and tests walk."""

from schemas import batch, embedding, operating, running, spaces, transcription  # noqa: F401  # imported so that they register
from schemas.event import CATALOGUE

__all__ = ["CATALOGUE"]
