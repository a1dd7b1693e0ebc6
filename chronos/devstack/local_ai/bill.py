"""What was paid for: a line for each paid call, written before its answer is sent."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

import structlog

log = structlog.get_logger(__name__)

Kind = Literal["transcription", "embedding"]


@dataclass(frozen=True)
class Charge:
    """One paid call. `sha256` has a digest for each content: the audio's bytes, or each text of a batch."""

    call: str  # also the x-request-id of the answer
    at: str  # UTC, ISO 8601
    kind: Kind
    model: str
    sha256: tuple[str, ...]
    seconds: float | None = None  # of audio
    tokens: int | None = None

    @classmethod
    def read(cls, line: dict[str, Any]) -> Charge:
        """A charge out of the JSON that GET /bill and the bill's file hold."""
        return cls(**{**line, "sha256": tuple(line["sha256"])})


def charge(
    kind: Kind, model: str, sha256: list[str], *, seconds: float | None = None, tokens: int | None = None
) -> Charge:
    """A new charge, made now."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Charge(f"req_{uuid4().hex}", at, kind, model, tuple(sha256), seconds, tokens)


class Bill(Protocol):
    """Where charges are kept."""

    def add(self, charge: Charge) -> None:
        """Returns when the charge would survive the death of this process."""
        ...

    def charges(self) -> list[Charge]:
        """All charges, oldest first."""
        ...


class BillFile:
    """A bill as a file of JSON lines that only grows. It goes on after a restart. Each charge is logged."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file

    def add(self, charge: Charge) -> None:
        # One write to a file opened for appending: a kill leaves the whole line or none of it.
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(asdict(charge)).encode() + b"\n")
        finally:
            os.close(descriptor)
        spent = {"seconds": charge.seconds} if charge.seconds is not None else {"tokens": charge.tokens}
        log.info(charge.kind, call=charge.call, model=charge.model, **spent)

    def charges(self) -> list[Charge]:
        if not self._file.exists():
            return []
        return [Charge.read(json.loads(line)) for line in self._file.read_text().splitlines()]
