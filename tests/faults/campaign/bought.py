"""What was paid for more than once, and why; how many videos of one creator were at the provider at once. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streams.postgres import LONGEST_WAIT
from tests.faults.campaign.evidence import Call
from tests.faults.campaign.striking import Fault

ARRIVING = 0.5  # seconds that a call may be on its way to a busy provider, after its sender was killed
KEEPING = 1.0
"""Seconds from an answer to its being kept, on a machine whose two cores run fifteen processes. Below, a kill just
after an answer is called a broken promise; above, a broken promise near a kill is excused."""

SPOILT = ("cut", "nonsense")
FUNCTIONS = {"audio": "transcribe-video", "embeddings": "generate-embeddings"}


@dataclass(frozen=True)
class Again:
    """A payment that was not the last for its content: why its answer was of no use."""

    call: Call
    reason: str
    excused: bool

    def line(self) -> str:
        call, what = self.call, ", ".join(f"film {film}" for film in self.call.films)
        return f"{call.kind} of {what}, {call.caller}, {call.started:.2f}–{call.ended:.2f}: {self.reason}"


def paid_again(calls: Iterable[Call], faults: Iterable[Fault], lease: float) -> list[Again]:
    """Every payment but the last of each content, with what became of its answer."""
    faults = list(faults)
    payments: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        for content in call.contents:
            payments[call.kind, content].append(call)
    again = []
    for same in payments.values():
        same.sort(key=lambda call: call.ended)
        again += [_judged(call, same, faults, lease) for call in same[:-1]]
    return sorted(again, key=lambda one: one.call.started)


def excuse(call: Call, faults: Iterable[Fault], lease: float) -> str | None:
    """Why nobody could keep the answer of this call; None where somebody should have."""
    if call.fault in SPOILT:
        return f"the provider spoilt its answer ({call.fault})"
    faults = list(faults)
    its_own = [fault for fault in faults if fault.target == call.caller]
    reasons = [_could_not_keep(call, fault, lease) for fault in its_own]
    reasons += [_had_nowhere(call, kill, fault) for kill in its_own for fault in faults if fault.target == "postgres"]
    return next((reason for reason in reasons if reason), None)


def _judged(call: Call, same: list[Call], faults: list[Fault], lease: float) -> Again:
    if reason := excuse(call, faults, lease):
        return Again(call, reason, True)
    others = [f"{o.caller} {o.started:.2f}–{o.ended:.2f}" for o in same if o is not call]
    return Again(call, f"NOT EXPLAINED: nothing kept it from keeping the answer; also paid: {', '.join(others)}", False)


def _could_not_keep(call: Call, fault: Fault, lease: float) -> str | None:
    """Why the caller could not keep the answer; None where this fault is no reason."""
    unfinished = fault.began <= call.ended + KEEPING
    if fault.kind == "kill-worker" and unfinished and call.started <= fault.began + ARRIVING:
        return f"in the air at the kill of fault {fault.number}, {_placed(call, fault.began)}"
    in_the_air = call.started <= fault.began and unfinished
    if fault.kind == "pause-worker" and in_the_air and (fault.ended or float("inf")) - fault.began > lease:
        return f"in the air at a pause longer than the lease, fault {fault.number}, {_placed(call, fault.began)}"
    return None


def _had_nowhere(call: Call, kill: Fault, database: Fault) -> str | None:
    """It was in the air when the database was killed, and its caller was killed before it had looked for that again."""
    if kill.kind != "kill-worker" or database.kind != "kill-postgres":
        return None
    back = database.ended or float("inf")
    in_the_air = call.started <= database.began <= call.ended + KEEPING
    if in_the_air and database.began <= kill.began <= back + LONGEST_WAIT + KEEPING:
        return (
            f"in the air at the kill of the database (fault {database.number}), and its caller killed before it could "
            f"keep the answer (fault {kill.number}, {kill.began - back:+.2f} s from the database's return)"
        )
    return None


def _placed(call: Call, at: float) -> str:
    if at < call.started:
        return f"it arrived {call.started - at:.2f} s later"
    if at <= call.ended:
        return f"{at - call.started:.2f} s after it began and {call.ended - at:.2f} s before its answer"
    return f"{at - call.ended:.2f} s after its answer"


@dataclass(frozen=True)
class Peak:
    """The most videos of one creator at the provider at once."""

    videos: int
    creator: str
    at: float


def most_at_once(
    calls: Iterable[Call], creators: Mapping[int, str], faults: Iterable[Fault], lease: float
) -> dict[str, Peak]:
    """By function: distinct videos in calls of live workers. A killed worker's calls end with it, and a paused one's
    when its lease has run out: nobody waits for their answers, and others may do the work."""
    ends = _ends(list(faults), lease)
    steps: dict[tuple[str, str], list[tuple[float, int, int]]] = defaultdict(list)
    for call in calls:
        end = min([call.ended, *(at for at in ends.get(call.caller, ()) if at >= call.started)])
        for film in call.films:
            steps[FUNCTIONS[call.kind], creators[film]] += [(call.started, 1, film), (end, -1, film)]
    peaks: dict[str, Peak] = {}
    for (function, creator), moves in steps.items():
        peak = _peak(creator, moves)
        if function not in peaks or peak.videos > peaks[function].videos:
            peaks[function] = peak
    return peaks


def _ends(faults: list[Fault], lease: float) -> dict[str, list[float]]:
    ends: dict[str, list[float]] = defaultdict(list)
    for fault in faults:
        if fault.kind == "kill-worker":
            ends[fault.target].append(fault.began)
        elif fault.kind == "pause-worker":
            ends[fault.target].append(fault.began + lease)
    return ends


def _peak(creator: str, moves: list[tuple[float, int, int]]) -> Peak:
    there: dict[int, int] = defaultdict(int)
    best = Peak(0, creator, 0.0)
    for at, step, film in sorted(moves):  # at one moment, ends (-1) come before beginnings
        there[film] += step
        if not there[film]:
            del there[film]
        if len(there) > best.videos:
            best = Peak(len(there), creator, at)
    return best
