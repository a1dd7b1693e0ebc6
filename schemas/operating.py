"""What operators do to the system itself: on the log like everything else, with who, why, plan and outcome."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from schemas.event import Fact


class OperatorActed(Fact, name="operator.acted", version=1):
    """Somebody rewound, retried, redrove, rebuilt or switched something."""

    act_id: str
    act: str = Field(description="rewind, retry, redrive, rebuild, switch, …")
    target: str = Field(description="What it was done to: a group, a space, some videos.")
    by: str
    reason: str | None = None
    plan: str = Field(description="What was meant to happen, as JSON.")
    outcome: str = Field(description="What came of it, as JSON.")
    acted_at: AwareDatetime

    def key(self) -> str:
        return self.act_id

    def subject(self) -> str:
        return self.act_id
