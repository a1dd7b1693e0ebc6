"""What can go wrong for a client; the tree stands in chronos/client/__init__.py."""

from __future__ import annotations

from http import HTTPStatus

import httpx
from pydantic import ValidationError

from chronos.api.forms import Problem, Run


class ChronosError(Exception):
    """Base of all."""


class BadSetting(ChronosError):
    """An address or a key that cannot be one."""


class NotReached(ChronosError):
    """No server answered."""


class Refused(ChronosError):
    """The server's answer is a problem."""

    def __init__(self, problem: Problem, retry_after: float | None) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.title, self.detail, self.fields = problem.title, problem.detail, problem.fields
        self.status, self.retry_after = problem.status, retry_after  # seconds


class KeyRefused(Refused):
    """It wants a key, or another one."""


class NotFound(Refused):
    """There is no such thing."""


class Conflict(Refused):
    """What was asked for does not go with what is there."""


class Invalid(Refused):
    """Something of what was sent is wrong."""


class Unavailable(Refused):
    """It passes by itself."""


class VideoFailed(ChronosError):
    """The run has failed."""

    def __init__(self, run: Run) -> None:
        why = f": {run.error.type}: {run.error.message}" if run.error else ""
        super().__init__(f"video {run.video_id!r} of {run.creator_id!r} is {run.status} (run {run.run_id}){why}")
        self.run = run


class VideoCancelled(VideoFailed):
    """Somebody called the run off."""


class NotYet(ChronosError, TimeoutError):
    """It goes on: wait again."""


KINDS: dict[int, type[Refused]] = {
    HTTPStatus.UNAUTHORIZED: KeyRefused,
    HTTPStatus.FORBIDDEN: KeyRefused,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    HTTPStatus.TOO_MANY_REQUESTS: Unavailable,
    HTTPStatus.BAD_GATEWAY: Unavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
    HTTPStatus.GATEWAY_TIMEOUT: Unavailable,
}


def refused(answer: httpx.Response) -> Refused:
    """The error that an answer is. What stands before a server has words of its own, which are shown as they are."""
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        detail = answer.text[:200] or "an answer without a word"
        problem = Problem(title=answer.reason_phrase, status=answer.status_code, detail=detail)
    later = answer.headers.get("retry-after", "")
    return KINDS.get(answer.status_code, Refused)(problem, float(later) if later.isdecimal() else None)
