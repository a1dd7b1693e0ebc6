"""From a file's timestamps to the player's clock, where streams were joined and timestamps jump. Pure."""

from __future__ import annotations

BACK = 1.0
"""Seconds back that are a new start. Less is an overlap at a cut, which players play once; a jitter is far below."""

AHEAD = 10.0
"""Seconds ahead that may be a new start, in formats whose clocks may jump. It is FFmpeg's own limit."""


class PlayerClock:
    """Where a player plays what has a timestamp. A jump at which only the sound is missing is a gap; one at which
    everything jumps is a new start, which a player plays right after what came before."""

    def __init__(self, origin: float, *, jumps: bool) -> None:
        """
        Args:
            origin: the timestamp with which a player begins.
            jumps: whether the format's timestamps may jump ahead without meaning a gap.
        """
        self._shift, self._jumps = -origin, jumps
        self._last = 0.0  # the end of the sound so far, by its own timestamps
        self._run: tuple[float, float] | None = None  # between these, pictures came without a jump

    def other(self, stamp: float) -> None:
        """A picture has this timestamp."""
        steady = self._run is not None and -BACK < stamp - self._run[1] < AHEAD
        self._run = (self._run[0] if self._run and steady else stamp, stamp)

    def place(self, stamp: float, length: float, played: float) -> float:
        """Where sound with this timestamp is played.

        Args:
            length: of it, in seconds.
            played: the player's time up to which there is sound already.
        """
        ahead = stamp + self._shift - played
        if played > 0 and (ahead < -BACK or self._new_start(stamp, ahead)):
            self._shift -= ahead
        self._last = stamp + length
        return stamp + self._shift

    def _new_start(self, stamp: float, ahead: float) -> bool:
        if not self._jumps or ahead <= AHEAD:
            return False
        near = AHEAD / 2
        went_on = self._run is not None and self._run[0] < self._last + near and self._run[1] > stamp - near
        return not went_on
