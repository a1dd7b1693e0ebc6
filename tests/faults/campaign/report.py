"""A verdict for people (Markdown) and for programs (JSON). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.faults.campaign.evidence import Evidence
from tests.faults.campaign.judge import Recovery, Verdict
from tests.faults.campaign.striking import Fault


def to_markdown(evidence: Evidence, verdict: Verdict, command: str) -> str:
    parts = [
        f"# A campaign of {len(evidence.faults)} faults over {verdict.videos} videos",
        f"`{command}`, {datetime.fromtimestamp(_begin(evidence), UTC):%Y-%m-%d %H:%M} UTC, {evidence.seconds:.0f} s.",
        "**Every promise was kept.**" if not verdict.broken else f"**{len(verdict.broken)} promises were broken.**",
        _table(_figures(evidence, verdict)),
        _listed("Broken promises", verdict.broken),
        "## Faults by kind\n\n" + _table(sorted(verdict.faults.items())),
        _listed("Paid twice", (again.line() for again in verdict.again)),
        _listed("Failed, and why", verdict.failed),
        _listed("Processes that ended by themselves", (f"{e.life}: {e.how}{'' if e.ready else ', before it was ready'}"
                                                       for e in evidence.exits)),
        _listed("Every fault", (_fault_line(recovery, _begin(evidence)) for recovery in verdict.recoveries)),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(evidence: Evidence, verdict: Verdict, command: str) -> dict[str, Any]:
    by_fact, by_finish = verdict.slowest()
    return {
        "command": command,
        "seed": evidence.seed,
        "seconds": round(evidence.seconds, 1),
        "ok": not verdict.broken,
        "broken": verdict.broken,
        "faults": dict(verdict.faults),
        "videos": verdict.videos,
        "completed": verdict.completed,
        "failed": verdict.failed,
        "lost": verdict.lost,
        "calls": len(evidence.calls),
        "payments": verdict.payments,
        "notKept": verdict.not_kept,
        "paidTwice": [{"line": a.line(), "excused": a.excused} for a in verdict.again],
        "differences": evidence.differences,
        "withoutEnding": evidence.without_ending,
        "mostAtOnce": {function: peak.videos for function, peak in verdict.peaks.items()},
        "mostCrashesOfARun": evidence.crashes,
        "slowestRecovery": {"fact": by_fact and by_fact.fact, "finish": by_finish and by_finish.finish},
        "exits": [f"{exit.life}: {exit.how}" for exit in evidence.exits],
    }


def _figures(evidence: Evidence, verdict: Verdict) -> list[tuple[str, object]]:
    by_fact, by_finish = verdict.slowest()
    excused = sum(again.excused for again in verdict.again)
    return [
        ("videos asked for", verdict.videos),
        ("completed", verdict.completed),
        ("failed", len(verdict.failed)),
        ("lost (no ending)", len(verdict.lost)),
        ("calls to the provider", len(evidence.calls)),
        ("paid calls", verdict.payments),
        ("paid twice, excused", excused),
        ("paid twice, not explained", len(verdict.again) - excused),
        ("paid and not kept", verdict.not_kept),
        ("differences (chronos verify)", len(evidence.differences)),
        ("without an ending (chronos verify)", len(evidence.without_ending)),
        *((f"most videos of one creator at once, {name}", peak.videos) for name, peak in sorted(verdict.peaks.items())),
        ("most deaths that one run has seen", evidence.crashes),
        ("slowest recovery to the next fact", _slowest(by_fact, by_fact.fact if by_fact else None)),
        ("slowest recovery to the next finished video", _slowest(by_finish, by_finish.finish if by_finish else None)),
    ]


def _slowest(recovery: Recovery | None, seconds: float | None) -> str:
    if recovery is None or seconds is None:
        return "nothing came after a fault"
    return f"{seconds} s, fault {recovery.fault.number} ({recovery.fault.kind})"


def fault_line(fault: Fault, began: float) -> str:
    """One line a fault: time, kind, target."""
    clock = f"{datetime.fromtimestamp(fault.began, UTC):%H:%M:%S} +{fault.began - began:6.1f} s"
    return f"{clock}  {fault.number:>3} {fault.kind:<17} {fault.target:<10} {fault.detail}"


def _fault_line(recovery: Recovery, began: float) -> str:
    fault = recovery.fault
    waits = (("fact", recovery.fact), ("finished video", recovery.finish))
    after = " · ".join(f"{what} after {seconds} s" for what, seconds in waits if seconds is not None)
    return f"+{fault.began - began:.1f} s {fault.kind} {fault.target} ({fault.detail}); {after or 'nothing after it'}"


def _begin(evidence: Evidence) -> float:
    return min((*(a.at for a in evidence.asked), *(f.began for f in evidence.faults)), default=0.0)


def _table(rows: Iterable[tuple[str, object]]) -> str:
    return "\n".join(["| what | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _listed(title: str, lines: Iterable[str]) -> str:
    found = list(lines)
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in found) if found else ""
