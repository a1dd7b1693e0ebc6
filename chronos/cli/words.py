"""How commands read and show what is not theirs: times, ages, bytes, and text that may hold anything."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.markup import escape

from chronos.cli.state import WrongUse
from chronos.moments import NoMoment, moment

LINE = 16  # bytes a line of hex


def instant(text: str | None) -> datetime | None:
    """A time that a person gave, or none.

    Raises:
        WrongUse.
    """
    try:
        return None if text is None else moment(text, datetime.now(UTC))
    except NoMoment as error:
        raise WrongUse(str(error)) from error


def age(at: datetime, now: datetime) -> str:
    """How long ago, in one unit: 40s, 12m, 5h, 3d."""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def clean(text: str) -> str:
    """Without what a terminal would obey: control characters are written out."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def plain(text: str) -> str:
    """Text of others, for markup."""
    return escape(clean(text))


def hex_lines(value: bytes) -> list[str]:
    """Bytes in lines of 16, with their place and what of them can be read."""
    lines = []
    for at in range(0, len(value), LINE):
        part = value[at : at + LINE]
        read = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:08x}  {part.hex(' '):<{3 * LINE - 1}}  {read}")
    return lines
