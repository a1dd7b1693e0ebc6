"""What happened, held against the promises. Pure: evidence in, a verdict out."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.generate_embeddings import generate_embeddings
from agents.transcribe_video import transcribe_video
from tests.faults.campaign.bought import Again, Peak, excuse, most_at_once, paid_again
from tests.faults.campaign.evidence import Call, Evidence, Run
from tests.faults.campaign.load import Asked
from tests.faults.campaign.striking import Fault

AT_ONCE = 10
ENDINGS = ("completed", "failed")
ATTEMPTS = {"audio": transcribe_video.retry.attempts, "embeddings": generate_embeddings.retry.attempts}


@dataclass(frozen=True)
class Recovery:
    """How long after a fault the next new fact was on the log, and the next video finished."""

    fault: Fault
    fact: float | None
    finish: float | None


@dataclass
class Verdict:
    """What a campaign has shown. `broken` names each promise that was not kept."""

    faults: Counter[str] = field(default_factory=Counter)
    videos: int = 0
    completed: int = 0
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)
    payments: int = 0
    not_kept: int = 0
    peaks: dict[str, Peak] = field(default_factory=dict)
    recoveries: list[Recovery] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def slowest(self) -> tuple[Recovery | None, Recovery | None]:
        """By the next fact, and by the next finished video."""
        by_fact = max((r for r in self.recoveries if r.fact is not None), key=lambda r: r.fact or 0, default=None)
        by_finish = max((r for r in self.recoveries if r.finish is not None), key=lambda r: r.finish or 0, default=None)
        return by_fact, by_finish


def judge(evidence: Evidence, lease: float) -> Verdict:
    """The verdict. A fault that could not be done is no fault."""
    verdict = Verdict(Counter(fault.kind for fault in evidence.faults if fault.target != "nobody"), len(evidence.asked))
    _endings(evidence, verdict)
    _money(evidence, lease, verdict)
    creators = {asked.request.film: asked.request.creator for asked in evidence.asked}
    verdict.peaks = most_at_once(evidence.calls, creators, evidence.faults, lease)
    verdict.recoveries = [_recovery(fault, evidence) for fault in evidence.faults]
    verdict.broken += [
        f"{peak.videos} videos of {peak.creator} were at once in {function}"
        for function, peak in verdict.peaks.items()
        if peak.videos > AT_ONCE
    ]
    _system(evidence, verdict)
    return verdict


def _endings(evidence: Evidence, verdict: Verdict) -> None:
    for asked in evidence.asked:
        run = evidence.runs.get(asked.run_id, Run("unknown to the tables"))
        if run.status not in ENDINGS:
            verdict.lost.append(f"{_named(asked)}: {run.status}")
        elif run.status == "completed":
            verdict.completed += 1
        else:
            verdict.failed.append(f"{_named(asked)}: {run.error}: {run.message}")
        if run.status in ENDINGS and (wrong := _wrong(asked, run, evidence.calls)):
            verdict.broken.append(wrong)
    verdict.broken += [f"lost: {line}" for line in verdict.lost]


def _wrong(asked: Asked, run: Run, calls: Sequence[Call]) -> str | None:
    """A healthy video may fail only where the provider failed as many calls for it as there are attempts."""
    expected = asked.request.expected
    if run.status == expected:
        return None
    refusals = Counter(c.kind for c in calls if asked.request.film in c.films and (c.fault or (c.status or 0) >= 500))
    if run.status == "failed" and any(refusals[kind] >= most for kind, most in ATTEMPTS.items()):
        return None
    return f"{_named(asked)} should have {expected}, and has {run.status} ({run.error}: {run.message}); " \
           f"the provider failed {sum(refusals.values())} of its calls"  # fmt: skip


def _named(asked: Asked) -> str:
    request = asked.request
    return f"{request.video} of {request.creator} ({request.sort}, film {request.film}, run {asked.run_id})"


def _money(evidence: Evidence, lease: float, verdict: Verdict) -> None:
    verdict.again = paid_again(evidence.calls, evidence.faults, lease)
    paid = [call for call in evidence.calls if call.contents]
    verdict.payments, verdict.not_kept = len(paid), len(paid) - len(evidence.spends)
    verdict.broken += [f"paid twice: {again.line()}" for again in verdict.again if not again.excused]
    excused = sum(excuse(call, evidence.faults, lease) is not None for call in paid)
    if not 0 <= verdict.not_kept <= excused:
        verdict.broken.append(f"{verdict.not_kept} paid calls are not in the journal, and only {excused} are excused")
    if evidence.told != len(evidence.spends):
        verdict.broken.append(f"the journal holds {len(evidence.spends)} paid calls, the usage table {evidence.told}")


def _system(evidence: Evidence, verdict: Verdict) -> None:
    verdict.broken += [f"the tables are not the fold of the log: {line}" for line in evidence.differences]
    verdict.broken += [f"verify finds no ending: {line}" for line in evidence.without_ending]
    verdict.broken += [f"{e.life} ended by itself ({e.how}) while it worked" for e in evidence.exits if e.ready]
    verdict.broken += [f"{life} did not stop when it was asked to" for life in evidence.stubborn]
    if evidence.dead_letters:
        verdict.broken.append(f"{evidence.dead_letters} dead letters, though all records were sound")


def _recovery(fault: Fault, evidence: Evidence) -> Recovery:
    return Recovery(fault, _next(evidence.facts, fault.began), _next(evidence.finished, fault.began))


def _next(times: Sequence[float], after: float) -> float | None:
    place = bisect_right(times, after)
    return round(times[place] - after, 2) if place < len(times) else None
