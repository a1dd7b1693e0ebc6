"""What the header Retry-After says, in either of its forms. Pure but for the clock that a date needs."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_asked(value: str) -> float:
    """Seconds from now; 0 where it says nothing that makes sense, or the moment has passed."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value)
    return seconds if seconds > 0 else 0.0  # NaN is not above 0 either


def _until(value: str) -> float:
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
