"""`chronos doctor`: looks at every part, all at once, and gives for each what it found and the remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from chronos.config import Settings
from streams.redaction import redact

SECONDS = 5.0  # for each check; all run side by side


@dataclass(frozen=True)
class Finding:
    """What a check found. Where all is well, a remedy is a warning: it can wait."""

    name: str
    ok: bool
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "found": self.found, "remedy": self.remedy or None}


Check = Callable[[Settings], Awaitable[Finding]]


@dataclass(frozen=True)
class Asked:
    """A check, and the part without which it need not be asked: that part's own finding has the remedy."""

    name: str
    check: Check
    needs: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in a fixed order. What rests on a part that is away is passed over: one fault, one remedy."""
    from chronos.doctor_checks import CHECKS

    found = await asyncio.gather(*(_within(asked, settings) for asked in CHECKS))
    away = {finding.name for finding in found if not finding.ok}
    return [_shown(finding) for asked, finding in zip(CHECKS, found, strict=True) if not _follows(asked, away)]


def _shown(finding: Finding) -> Finding:
    """Without secrets: findings are pasted into tickets."""
    return replace(finding, found=redact(finding.found), remedy=redact(finding.remedy))


def _follows(asked: Asked, away: set[str]) -> bool:
    """Whether a check could find nothing of its own, because what it needs is away (itself, or by way of another)."""
    from chronos.doctor_checks import CHECKS

    needs = {one.name: one.needs for one in CHECKS}
    part = asked.needs
    while part:
        if part in away:
            return True
        part = needs[part]
    return False


async def _within(asked: Asked, settings: Settings) -> Finding:
    try:
        return await asyncio.wait_for(asked.check(settings), SECONDS + 1)
    except TimeoutError:
        return Finding(asked.name, False, f"no answer within {SECONDS:.0f} s", "look at its log: chronos logs")
