"""What the adapters to OpenAI and its likes share: the client, and the provider's errors as our conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError

from chronos.adapters.retry_after import seconds_asked
from streams.retry import Fault, Paced, Refused, Unavailable

PROVIDER = "openai"
"""The kind of provider, as it goes into the keys of paid results: any server that speaks OpenAI's API."""

Kind = Literal["refused", "unavailable", "busy", "blocked"]

BY_CODE: Mapping[str, Kind] = {
    "insufficient_quota": "blocked",
    "billing_hard_limit_reached": "blocked",
    "billing_not_active": "blocked",
    "account_deactivated": "blocked",
    "invalid_api_key": "blocked",
    "rate_limit_exceeded": "busy",
}
"""The provider's own word goes before its status: an empty account and a busy one both answer 429."""

BY_STATUS: Mapping[int, Kind] = {
    400: "refused",
    401: "blocked",
    402: "blocked",  # payment required: what some compatible providers say of an empty account
    403: "blocked",
    404: "refused",
    408: "unavailable",
    409: "unavailable",
    413: "refused",
    415: "refused",
    422: "refused",
    429: "busy",
}
"""Any other status is `unavailable`: it may pass, and a row of them opens the breaker."""

_PATIENCE = 5.0
"""Seconds to wait where a 429 does not say: most limits are per minute, and shorter waits meet the same one."""

_MOST_PATIENCE = 300.0
"""Seconds. A longer Retry-After is asked about again: limits are raised, and clocks are wrong."""

_NEEDS_A_PERSON = 30.0
"""Seconds between questions while key or quota is wrong: work goes on soon after a person has mended it."""

_MOST_ANSWER = 4 << 20
"""Bytes of an answer. It goes on the log, whose messages end at 8 MiB; 60 s of speech are about 50 KB."""


class Busy(Protocol):
    """A condition of the kind `Paced`, as it is made."""

    def __call__(self, message: str, retry_after: float) -> Paced: ...


@dataclass(frozen=True)
class Conditions:
    """How one port names what goes wrong."""

    what: str
    refused: type[Refused]
    unavailable: type[Unavailable]
    busy: Busy
    blocked: Busy


def connect(base_url: str | None, api_key: str, timeout: float) -> AsyncOpenAI:
    """A client that tries once: retries are the runner's, so that each is on the log.

    Args:
        base_url: None is OpenAI itself.
        timeout: seconds without a sign of the server, at each of connecting, sending and receiving.
    """
    return AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout, max_retries=0)


def fault(error: OpenAIError, conditions: Conditions) -> Fault:
    """The condition that this error is. Its message names the remedy, and never the key."""
    what = conditions.what
    if isinstance(error, APIStatusError):
        return _refusal(error, conditions)
    if isinstance(error, APITimeoutError):
        return conditions.unavailable(
            f"the {what} provider gave no answer in time; a longer CHRONOS_AI_TIMEOUT may help"
        )
    if isinstance(error, APIConnectionError):
        cause = type(error.__cause__).__name__ if error.__cause__ else "connection lost"
        return conditions.unavailable(
            f"the {what} provider at {error.request.url.host} is out of reach ({cause}): check OPENAI_BASE_URL"
        )
    return conditions.unavailable(f"the {what} provider's answer makes no sense ({type(error).__name__})")


def understood(content: bytes, conditions: Conditions) -> dict[str, Any]:
    """The provider's answer as a JSON object that the log can hold.

    Raises:
        conditions.unavailable: it is cut off, too long, or something else.
    """
    try:
        answer = json.loads(content, parse_constant=_no_number) if len(content) <= _MOST_ANSWER else None
        json.dumps(answer, ensure_ascii=False).encode()  # lone surrogates are no text
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        return answer
    raise nonsense(f"{len(content)} bytes that are not a JSON object", conditions)


def nonsense(found: str, conditions: Conditions) -> Unavailable:
    return conditions.unavailable(
        f"the {conditions.what} provider answered nonsense: {found}. Is OPENAI_BASE_URL right?"
    )


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Shares of a total in whole units, in proportion to the weights, that sum to it."""
    whole = sum(weights) or 1
    before = [total * sum(weights[:index]) // whole for index in range(len(weights))]
    return [end - start for start, end in zip(before, [*before[1:], total], strict=True)] if weights else []


def kind_of(status: int, code: str | None) -> Kind:
    """What an answer other than success means for its run."""
    return BY_CODE.get(code or "") or BY_STATUS.get(status, "unavailable")


def _refusal(error: APIStatusError, conditions: Conditions) -> Fault:
    what, status, said = conditions.what, error.status_code, _said(error)
    match kind_of(status, error.code):
        case "refused":
            return conditions.refused(f"the {what} provider refuses this request ({status}): {said}")
        case "busy":
            return conditions.busy(f"the {what} provider asks for patience ({status}): {said}", _retry_after(error))
        case "blocked":
            return conditions.blocked(_remedy(what, status), _NEEDS_A_PERSON)
        case "unavailable":
            return conditions.unavailable(f"the {what} provider failed ({status}): {said}")


def _remedy(what: str, status: int) -> str:
    if status in (402, 429):
        return f"the {what} provider's account has no quota left ({status}): add credit or raise its limit"
    return f"the {what} provider does not accept the key ({status}): set OPENAI_API_KEY to one that may use it"


def rest(headers: Mapping[str, str]) -> float:
    """Seconds until a limit that is used up is refilled, by OpenAI's x-ratelimit headers; 0 where none is used up."""
    waits = [
        _duration(headers.get(f"x-ratelimit-reset-{limit}", ""))
        for limit in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{limit}", "").strip() == "0"
    ]
    return min(max(waits, default=0.0), _MOST_PATIENCE)


_PARTS = re.compile(r"([0-9.]+)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _duration(text: str) -> float:
    """Seconds of a duration as OpenAI writes it: 6m0s, 1.5s, 20ms."""
    try:
        return sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    except ValueError:
        return 0.0


def _said(error: APIStatusError) -> str:
    """The provider's own words, short, without anything that looks like a key."""
    body = error.body if isinstance(error.body, dict) else {}
    words = str(body.get("message") or error.response.reason_phrase or "no reason given")
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    words = words.replace(key, "***") if key else words
    return re.sub(r"\b(sk|key|sess)-[\w*.-]+", "***", words)[:300]


def _retry_after(error: APIStatusError) -> float:
    """Seconds that the provider asks for."""
    return min(seconds_asked(error.response.headers.get("retry-after", "")) or _PATIENCE, _MOST_PATIENCE)


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
