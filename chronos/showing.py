"""What an event says, as pages can bear it: long things are cut, bytes are counted, secrets are hidden. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.event import Event
from streams.redaction import redact

LETTERS = 2_000  # of a text
ITEMS = 20  # of a list


def payload(event: Event) -> dict[str, Any]:
    """The fields by their names on the wire."""
    return {name: _shown(value) for name, value in event.model_dump(by_alias=True).items()}


def _shown(value: Any) -> Any:
    match value:
        case bytes():
            return f"{len(value):,} bytes"
        case str():
            return text(value)
        case datetime():
            return value.isoformat()
        case dict():
            return {name: _shown(one) for name, one in value.items()}
        case list() | tuple():
            more = [f"and {len(value) - ITEMS:,} more"] if len(value) > ITEMS else []
            return [*(_shown(one) for one in value[:ITEMS]), *more]
        case _:
            return value


def text(value: str) -> str:
    """Secrets are looked for in somewhat more than is shown: one may stand where it is cut."""
    shown = redact(value[: 2 * LETTERS])
    return shown if len(value) <= LETTERS else f"{shown[:LETTERS]} … ({len(value):,} characters)"


def as_text(value: bytes) -> str | None:
    """Bytes as text, where they are text that people write."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\r\n\t" for c in text) else None
