"""Times as people give them to a command: a date, an instant, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class NoMoment(ValueError):
    """The text names no time."""


def moment(text: str, now: datetime) -> datetime:
    """`30m`, `2h`, `3d`, `1w` ago, or an ISO 8601 date or time; without a zone it is UTC.

    Raises:
        NoMoment.
    """
    said = text.strip()
    try:
        if ago := re.fullmatch(r"(\d{1,6})([smhdw])", said):
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(said)
    except (ValueError, OverflowError) as error:
        raise NoMoment(f"{text!r} is no time: give 2h, 3d, 2026-11-24 or 2026-11-24T10:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
