"""Where the server is, which keys open it, and how long a client tries: from arguments or the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import httpx
from tenacity import (
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_before_delay,
    wait_exponential_jitter,
)

from chronos.client.calls import Call, R, Scope
from chronos.client.errors import BadSetting, NotReached, Refused, Unavailable, refused

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""Seconds. A thousand events take a while to be on the log; a server that is there takes a connection at once."""

_backoff = wait_exponential_jitter(multiplier=0.1, max=5.0, jitter=0.1)
_look = wait_exponential_jitter(multiplier=0.05, max=2.0, jitter=0.05)


@dataclass(frozen=True)
class Connection:
    """What each request needs."""

    url: str
    keys: dict[Scope, str | None]

    @classmethod
    def of(cls, url: str | None, event_key: str | None, reading_key: str | None) -> Connection:
        """
        Raises:
            BadSetting.
        """
        where = url or os.environ.get("CHRONOS_URL") or "http://localhost:8288"
        if not where.startswith(("http://", "https://")):
            raise BadSetting(f"{where!r} is no address of a server: CHRONOS_URL is like http://localhost:8288")
        keys: dict[Scope, str | None] = {
            "event": _key("CHRONOS_EVENT_KEY", event_key),
            "reading": _key("CHRONOS_READING_KEY", reading_key),
        }
        return cls(where.rstrip("/"), keys)

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """The words of httpx for a call."""
        key = self.keys[call.scope]
        shown = {"Authorization": f"Bearer {key}"} if key else {}
        return {
            "method": call.method,
            "url": f"{self.url}{call.path}",
            "params": call.query,
            "headers": call.headers | shown,
            "content": call.content,
        }

    def not_reached(self, error: httpx.TransportError) -> NotReached:
        why = str(error) or type(error).__name__
        return NotReached(
            f"no answer from {self.url} ({why}): is `chronos serve` at work there? CHRONOS_URL says where"
        )


def _key(name: str, given: str | None) -> str | None:
    key = (given or os.environ.get(name) or "").strip()
    if key.startswith("sha256:"):
        raise BadSetting(f"{name} is a key's hash, which is the server's: a client shows the key itself")
    return key or None


def read(call: Call[R], answer: httpx.Response) -> R:
    """
    Raises:
        Refused.
    """
    if not answer.is_success:
        raise refused(answer)
    return call.read(answer.content)


def again(patience: float) -> dict[str, Any]:
    """When a call is made again, in tenacity's words: what passes by itself, for so many seconds."""
    return {
        "retry": retry_if_exception_type((NotReached, Unavailable)),
        "wait": _pause,
        "stop": stop_before_delay(patience),
        "reraise": True,
    }


def _pause(state: RetryCallState) -> float:
    """What the server says, or longer each time."""
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, Refused) else None
    return told if told is not None else _backoff(state)


def until_there(timeout: float) -> dict[str, Any]:
    """When to look again, in tenacity's words: until there is something, for so many seconds."""
    return {
        "retry": retry_if_result(lambda found: found is None),
        "wait": _look,
        "stop": stop_before_delay(timeout),
        "retry_error_callback": lambda state: None,
    }
