"""When to try again: what went wrong, as conditions, and the pure rule that makes an ending of it."""

from __future__ import annotations

from dataclasses import dataclass

from tenacity import RetryCallState, wait_exponential_jitter

from streams.redaction import redact

LONGEST_MESSAGE = 4000
"""Signs of an error's message: some errors carry the whole of what they could not read."""


class Fault(Exception):
    """Something that a step could not do. Its message names the thing, the limit and the remedy."""


class Refused(Fault):
    """No retry can help: the input itself is wrong. The run fails at once."""


class Unavailable(Fault):
    """It may work later. The attempt counts."""


class Paced(Fault):
    """Not now: the world asks for patience. No attempt is charged."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Blocked(Paced):
    """The provider cannot be used until a person acts (no key, no quota): everything that needs it waits."""


class Held(Fault):
    """A person's limit holds it. It waits for as long as that lasts, and no attempt is charged."""


@dataclass(frozen=True)
class Problem:
    """Why an attempt ended: the error as it goes on the log."""

    type: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class Done:
    """The run is complete: its facts are on the log."""


@dataclass(frozen=True)
class Again:
    """Another attempt, `after` seconds from now. `charged`: this one counts."""

    after: float
    problem: Problem
    charged: bool = True


@dataclass(frozen=True)
class Dead:
    """The run has failed for good."""

    problem: Problem


Verdict = Done | Again | Dead


@dataclass(frozen=True)
class Retry:
    """How often, and how long between: exponential backoff with jitter, in seconds."""

    attempts: int
    first: float = 1.0
    cap: float = 300.0

    def wait(self, attempt: int) -> float:
        """Seconds to wait after this attempt (1 is the first): doubles each time, plus up to `first` of jitter."""
        state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # only its attempt number is read
        state.attempt_number = attempt
        return float(wait_exponential_jitter(multiplier=self.first, max=self.cap, jitter=self.first)(state))


def judge(error: BaseException, attempt: int, retry: Retry, *, charged: bool = True) -> Verdict:
    """The ending of an attempt that raised. Unknown errors are retried: a bug may be mended while the run waits.

    Not `charged`: the run completed before, and says its facts again. It may have no attempt to spare, and uses none.
    """
    said = redact(_writable(str(error) or repr(error)))  # it goes on the log, where it stays for ever
    problem = Problem(type(error).__name__, said, not isinstance(error, Refused))
    if isinstance(error, Refused):
        return Dead(problem)
    if isinstance(error, Paced):
        return Again(error.retry_after, problem, charged=False)
    if charged and attempt >= retry.attempts:
        return Dead(problem)
    return Again(retry.wait(attempt), problem, charged)


def _writable(text: str) -> str:
    """As the log and Postgres can hold it: without NUL and lone surrogates, and not for ever."""
    return text[:LONGEST_MESSAGE].replace("\0", "").encode("utf-8", "backslashreplace").decode()
