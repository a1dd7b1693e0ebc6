"""Logs of workers: JSON lines for machines, readable lines for people. Nothing that looks like a key gets through."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from streams import tracing, trail
from streams.redaction import HIDDEN, redact

SECRET_NAMES = re.compile(r"(^|_)(api_?key|token|password|secret|authorization)$", re.IGNORECASE)


def set_up(*, level: int = logging.INFO, as_json: bool = False) -> None:
    """For a process that works: one line an outcome, on stderr. Call it once, before anything is logged."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            with_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # a trace is text by the time that secrets are looked for
            hide_secrets,
            into_trail,
            _renderer(as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def for_people() -> bool:
    """Whether a person reads along: at a terminal, unless CHRONOS_LOG says json."""
    return os.environ.get("CHRONOS_LOG", "").lower() != "json" and sys.stderr.isatty()


class Redacting(logging.Formatter):
    """What libraries log, with their traces, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def with_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which trace and span a line belongs to, while traces are made."""
    event.update(tracing.ids())
    return event


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keys by their name, and what has the form of one inside a text, however deep."""
    for name, value in event.items():
        event[name] = _hidden(name, value)
    return event


def into_trail(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What is said in an attempt stands in its trail as well."""
    trail.say(event)
    return event


def _hidden(name: Any, value: Any) -> Any:
    if isinstance(name, str) and SECRET_NAMES.search(name):
        return HIDDEN
    match value:
        case str():
            return redact(value)
        case dict():
            return {key: _hidden(key, one) for key, one in value.items()}
        case list() | tuple() | set():
            return [_hidden(None, one) for one in value]
        case None | bool() | int() | float():
            return value
        case _:
            return redact(str(value))


def last_words(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """How the program ends on an error that nobody knows: its trace, without secrets. For sys.excepthook."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, at))))


def _renderer(as_json: bool) -> structlog.typing.Processor:
    if for_people() and not as_json:
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(ensure_ascii=False)
