"""Links to a second of a video. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

_CLOCK = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,2}):)?([0-9]{1,6}(?:\.[0-9]+)?)")
_UNITS = re.compile(r"(?:([0-9]{1,3})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6}(?:\.[0-9]+)?)s)?")


class NoSuchSecond(ValueError):
    """What was given is no place in the video."""


def second(text: str) -> float:
    """`62`, `1:02`, `1:02:03` or `1h2m3s`, in seconds.

    Raises:
        NoSuchSecond.
    """
    said = text.strip()
    found = _CLOCK.fullmatch(said) or (_UNITS.fullmatch(said) if said else None)
    if found is None:
        raise NoSuchSecond(f"{text!r} is no place in a video: give 62, 1:02, 1:02:03 or 1h2m3s")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def link(console: str, creator_id: str, video_id: str, at: float, duration: float | None = None) -> str:
    """The console's page of a video, whose player goes to that second.

    Raises:
        NoSuchSecond: the video, so many seconds long, has ended by then.
    """
    if duration is not None and at > duration:
        raise NoSuchSecond(f"{at:g} s is behind the end: the video is {duration:g} s long")
    page = f"{console.rstrip('/')}/videos/{quote(creator_id, safe='')}/{quote(video_id, safe='')}"
    return f"{page}?t={round(at, 2):.12g}" if at else page
