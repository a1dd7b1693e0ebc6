"""What a function of the pipeline is: its declaration, read off its signature, and the steps that it may take."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, get_args, get_origin, get_type_hints, runtime_checkable

from schemas.event import Event
from streams.retry import Retry

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)


@dataclass(frozen=True)
class Answer:
    """What a paid call gave for one argument: the result's bytes, and this argument's share of usage and cost."""

    result: bytes
    quantity: float
    cost_micro_usd: int
    rest: float = 0.0  # seconds for which the provider wants no more calls: its limit is used up


@dataclass(frozen=True)
class Kept:
    """A paid result out of the journal, under the hash of what produced it, with its share of usage and cost."""

    key: str
    result: bytes
    quantity: float
    cost_micro_usd: int


@runtime_checkable
class PaidCall(Protocol[A_contra]):
    """An effect that costs money. Its results are kept by content and never bought twice."""

    @property
    def provider(self) -> str:
        """Who is called, such as a host: pace and breaker are by provider and model."""
        ...

    @property
    def model(self) -> str: ...

    @property
    def usage(self) -> Literal["audioSeconds", "inputTokens"]: ...

    def key(self, argument: A_contra) -> str:
        """The hash of provider, model, parameters and content: equal for equal results."""
        ...

    def quote(self, arguments: Sequence[A_contra]) -> tuple[float, int]:
        """What a call would use and cost (millionths of a dollar), as far as it can be known before it is made."""
        ...

    async def __call__(self, arguments: Sequence[A_contra]) -> list[Answer]:
        """One call of the provider. Gives an answer for each argument, in their order.

        Raises:
            Refused, Unavailable, Paced: see streams.retry.
        """
        ...


class Step(Protocol):
    """The effects of one run. Everything that a function does outside itself goes through here."""

    @property
    def input_id(self) -> str:
        """Event id of what the run processes."""
        ...

    @property
    def run_id(self) -> str:
        """Of the processing of the request that led to it: sorts by the request's time."""
        ...

    @property
    def input_at(self) -> datetime:
        """When that happened, as it says."""
        ...

    @property
    def attempt(self) -> int:
        """1 for the first."""
        ...

    async def __call__(self, name: str, effect: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """A free effect: deterministic and cheap, done again after a crash."""
        ...

    async def once(self, name: str, choose: Callable[[], Awaitable[bytes]]) -> bytes:
        """A choice about this input that is made once and for all: a retry or a rewind gets the first one."""
        ...

    def each(self, name: str, call: PaidCall[A], arguments: Sequence[A]) -> AsyncIterator[tuple[A, Kept]]:
        """A paid call for each argument, several at once, yielded in the order of the arguments."""
        ...

    def batches(
        self, name: str, call: PaidCall[A], arguments: Sequence[A], *, size: int
    ) -> AsyncIterator[list[tuple[A, Kept]]]:
        """Paid calls of up to `size` arguments each; a call sends only what the journal does not hold."""
        ...


Body = Callable[..., AsyncIterator[Event]]


@dataclass(frozen=True)
class Function:
    """A function of the pipeline: what it reads, what it says, what it needs, and how it is retried."""

    name: str
    version: int
    retry: Retry
    limit: int
    deadline: float
    consumes: tuple[type[Event], ...]
    emits: tuple[type[Event], ...]
    ports: tuple[str, ...]
    body: Body
    reports_failure: bool
    behind: frozenset[str]  # topics whose events wait behind everybody's live work
    accepts: Callable[[Event], bool]

    def group(self) -> str:
        """The consumer group, which Kafka UI shows under the function's name."""
        return f"chronos.{self.name}"

    def fingerprint(self, settings: str = "") -> str:
        """Version plus a hash of the settings that shape the result, e.g. `1-3f2a91`."""
        return f"{self.version}-{hashlib.sha256(settings.encode()).hexdigest()[:6]}"


def _everything(event: Event) -> bool:
    return True


def function(
    name: str,
    *,
    version: int = 1,
    retry: Retry,
    limit: int = 10,
    deadline: float = 3 * 3600.0,
    reports_failure: bool = True,
    behind: tuple[type[Event], ...] = (),
    accepts: Callable[[Any], bool] = _everything,
) -> Callable[[Body], Function]:
    """Declares a function. Topics in: the type of its first parameter; out: the types that it yields.

    Args:
        limit: how many runs of one creator at once, in the whole cluster.
        deadline: seconds for an attempt; six hours of sound take a tenth of the default.
        reports_failure: whether its end without success is a function.failed (not for those that handle it).
        behind: events of reprocessing, which wait behind everybody's live work.
        accepts: what of its topics concerns it; the rest is acked unseen.
    """

    def declare(body: Body) -> Function:
        hints = get_type_hints(body)
        parameters = list(inspect.signature(body).parameters.values())
        returned = hints["return"]
        return Function(
            name=name,
            version=version,
            retry=retry,
            limit=limit,
            deadline=deadline,
            consumes=_members(hints[parameters[0].name]),
            emits=_members(get_args(returned)[0]),
            ports=tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY),
            body=body,
            reports_failure=reports_failure,
            behind=frozenset(event.name for event in behind),
            accepts=accepts,
        )

    return declare


def _members(hint: Any) -> tuple[type[Event], ...]:
    return (hint,) if get_origin(hint) is None else get_args(hint)
