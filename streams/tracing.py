"""Traces over the log: a span for each run and each step, joined from function to function by the `traceparent` header.

Until somebody hands a tracer in (chronos/tracing.py), nothing is made, imported or written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from streams.redaction import redact

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Headers = Sequence[tuple[str, bytes | None]]

NAMES = ("traceparent", "tracestate")  # W3C Trace Context
_NOTHING: AbstractContextManager[None] = nullcontext()
_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """From now on spans are made with it; with None, none are."""
    global _tracer
    _tracer = tracer


def is_on() -> bool:
    return _tracer is not None


def run(function: str, headers: Headers, about: Callable[[], Mapping[str, Any]]) -> AbstractContextManager[None]:
    """The span of a run, below what its record's headers name."""
    return _NOTHING if _tracer is None else _span(f"run {function}", "CONSUMER", about(), dict(headers))


def step(name: str) -> AbstractContextManager[None]:
    """The span of a step, below the run's."""
    return _NOTHING if _tracer is None else _span(name, "INTERNAL", {}, None)


def sending(topic: str) -> AbstractContextManager[None]:
    """The span of an event that is sent from outside a function."""
    return _NOTHING if _tracer is None else _span(f"send {topic}", "PRODUCER", {}, None)


def below(headers: Headers) -> AbstractContextManager[None]:
    """What is opened inside is below the span that these headers name, if they do: those of an HTTP request, say."""
    return _NOTHING if _tracer is None else _attached(dict(headers))


def note(**what: str | int | float) -> None:
    """Attributes of the span that is open here. An `error` makes it one that failed."""
    if _tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span

    span = get_current_span()
    span.set_attributes({f"chronos.{name}": redact(value) if isinstance(value, str) else value
                         for name, value in what.items()})  # fmt: skip
    if "error" in what:
        span.set_status(Status(StatusCode.ERROR, redact(str(what["error"]))))


def marked(headers: Headers) -> Headers:
    """The headers of a record, and where the span that is open here stands, for who reads it."""
    return headers if _tracer is None else (*headers, *_injected())


def ids() -> dict[str, str]:
    """Trace and span that are open here, for a line of the log."""
    if _tracer is None:
        return {}
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


@contextmanager
def _span(name: str, kind: str, about: Mapping[str, Any], carrier: Mapping[str, bytes | None] | None) -> Iterator[None]:
    from opentelemetry.trace import SpanKind

    assert _tracer is not None
    attributes = {key: value for key, value in about.items() if value is not None}
    with _tracer.start_as_current_span(
        name, _parent(carrier), SpanKind[kind], attributes, record_exception=False, set_status_on_exception=True
    ):
        yield


@contextmanager
def _attached(carrier: Mapping[str, bytes | None]) -> Iterator[None]:
    from opentelemetry.context import attach, detach

    token = attach(_parent(carrier))
    try:
        yield
    finally:
        detach(token)


def _parent(carrier: Mapping[str, bytes | None] | None) -> Any:
    """Without a carrier the span that is open here; with one that names nothing, none."""
    if carrier is None:
        return None
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    named = {name: value.decode("ascii", "ignore") for name in NAMES if (value := carrier.get(name))}
    return TraceContextTextMapPropagator().extract(named, Context())


def _injected() -> Headers:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple((name, value.encode()) for name, value in carrier.items())
