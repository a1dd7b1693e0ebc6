"""Logs of workers: JSON lines for machines, readable lines for people. Nothing that looks like a key gets through."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET = re.compile(r"(sk-[\w-]{4})[\w-]{8,}|((?:postgres(?:ql)?|https?)://[^:/@\s]+:)[^@\s]+(?=@)")
SECRET_NAMES = re.compile(r"(^|_)(api_?key|token|password|secret|authorization)$", re.IGNORECASE)
HIDDEN = "***"


def set_up(*, level: int = logging.INFO, as_json: bool = False) -> None:
    """For a process that works: one line an outcome, on stderr. Call it once, before anything is logged."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            structlog.processors.format_exc_info,
            _renderer(as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def for_people() -> bool:
    """Whether a person reads along: at a terminal, unless CHRONOS_LOG says json."""
    return os.environ.get("CHRONOS_LOG", "").lower() != "json" and sys.stderr.isatty()


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keys by their name, and what has the form of one inside a text."""
    for name, value in event.items():
        if SECRET_NAMES.search(name):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = SECRET.sub(_masked, value)
    return event


def _masked(found: re.Match[str]) -> str:
    return f"{found[1] or found[2]}{HIDDEN}"


def _renderer(as_json: bool) -> structlog.typing.Processor:
    if for_people() and not as_json:
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(ensure_ascii=False)
