"""Tells of failures in the worker's own log."""

from __future__ import annotations

import structlog

log = structlog.get_logger()


class LogNotifier:
    """See agents.ports.Notifier."""

    async def notify(self, subject: str, text: str) -> tuple[str, str]:
        log.warning("notification", video=subject, text=text)
        return "log", "operator"
