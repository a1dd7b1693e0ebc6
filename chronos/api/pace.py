"""How often one client may ask: a moving window of time for each key, one for sending and one for reading."""

from __future__ import annotations

import math
import time
from http import HTTPStatus

from limits import RateLimitItem, WindowStats, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from chronos.api.keys import Scope
from chronos.api.problems import Refused
from chronos.config import READING_RATE, SENDING_RATE, UNLIMITED, Settings

NAMES = {Scope.READ: "reading", Scope.SEND: "sending", Scope.OPERATE: "sending"}
"""Who operates changes things, as who sends does."""


class Pace:
    """The rates of one server. Counts are in its memory: of several servers, each allows as much."""

    def __init__(self, sending: str, reading: str) -> None:
        given = {"sending": sending, "reading": reading}
        self._rates = {name: parse(rate) for name, rate in given.items() if rate != UNLIMITED}
        self._counts = MovingWindowRateLimiter(MemoryStorage())

    @classmethod
    def of(cls, settings: Settings, *, open_to_all: bool) -> Pace:
        """Where nobody needs a key, on loopback, one is alone with one's own machine: only what is set counts."""
        sending, reading = (UNLIMITED, UNLIMITED) if open_to_all else (SENDING_RATE, READING_RATE)
        return cls(settings.sending_rate or sending, settings.reading_rate or reading)

    async def take(self, scope: Scope, who: str) -> dict[str, str]:
        """Counts a request; gives the headers that say what is left.

        Raises:
            Refused: 429, it was one too many.
        """
        name = NAMES[scope]
        if (rate := self._rates.get(name)) is None:
            return {}
        taken = await self._counts.hit(rate, name, who)
        stats = await self._counts.get_window_stats(rate, name, who)
        headers = _headers(name, rate, stats)
        if not taken:
            said = f"more than {rate.amount:,} requests in {rate.get_expiry()} s, which is the rate of {name}"
            later = {"Retry-After": str(_seconds_until(stats.reset_time))}
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, f"{said}: come again later", headers | later)
        return headers


def _headers(name: str, rate: RateLimitItem, stats: WindowStats) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-10 has them."""
    left = f'"{name}";r={stats.remaining};t={_seconds_until(stats.reset_time)}'
    return {"RateLimit-Policy": f'"{name}";q={rate.amount};w={rate.get_expiry()}', "RateLimit": left}


def _seconds_until(moment: float) -> int:
    return max(1, math.ceil(moment - time.time()))
