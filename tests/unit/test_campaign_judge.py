"""The judge of a campaign calls a promise broken when it is, and only then."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.faults.campaign.bought import KEEPING, most_at_once, paid_again
from tests.faults.campaign.evidence import Call, Evidence, Run, Spend
from tests.faults.campaign.judge import Verdict, judge
from tests.faults.campaign.load import Asked, Request, Sort
from tests.faults.campaign.plan import Kind
from tests.faults.campaign.report import to_json, to_markdown
from tests.faults.campaign.striking import Fault
from tests.faults.campaign.world import Exit

LEASE = 4.0


def call(caller: str, started: float, ended: float, *, film: int = 1, kind: str = "audio", fault: str | None = None,
         content: str | None = "a") -> Call:  # fmt: skip
    contents = (content,) if content else ()
    return Call(kind, caller, (film,), started, ended, fault, 200 if contents else 500, False, contents)


def fault(kind: Kind, target: str, began: float, ended: float | None = None) -> Fault:
    return Fault(1, kind, target, began, ended)


def asked(number: int, sort: Sort = "good") -> Asked:
    return Asked(Request(number, 0.0, "ada", sort, number, 1), f"run-{number}", 100.0 + number)


def found(
    *videos: Asked,
    runs: dict[str, Run] | None = None,
    calls: Sequence[Call] = (),
    faults: Sequence[Fault] = (),
    spends: int | None = None,
) -> Evidence:
    """Evidence of a campaign in which all went well, but for what is given."""
    well = {video.run_id: Run(video.request.expected) for video in videos}
    kept = sum(bool(c.contents) for c in calls) if spends is None else spends
    evidence = Evidence(1, list(faults), list(videos), {**well, **(runs or {})}, list(calls))
    evidence.spends = [Spend(0.0, "f", "v", ("k",))] * kept
    evidence.told = kept
    return evidence


def reasons(calls: Sequence[Call], *faults: Fault) -> list[bool]:
    return [again.excused for again in paid_again(calls, faults, LEASE)]


def broken(evidence: Evidence) -> list[str]:
    return judge(evidence, LEASE).broken


def test_all_went_well():
    assert broken(found(asked(1), asked(2, "missing"), calls=[call("w1.1", 1, 2)])) == []


def test_a_call_in_the_air_at_a_kill_may_be_paid_again():
    calls = [call("w1.1", 10, 12), call("w2.1", 20, 21)]
    assert reasons(calls, fault("kill-worker", "w1.1", 11)) == [True]
    assert reasons(calls, fault("kill-worker", "w1.1", 12 + KEEPING / 2)) == [True]
    assert reasons(calls, fault("kill-worker", "w1.1", 9.99)) == [True]  # the dead had sent it
    assert reasons(calls, fault("kill-worker", "w1.1", 12.01 + KEEPING)) == [False]


def test_a_call_in_the_air_at_a_kill_of_the_database_may_be_paid_again_if_its_worker_is_killed_too():
    calls = [call("w1.1", 10, 12), call("w2.1", 20, 21)]
    away = fault("kill-postgres", "postgres", 11, 15)
    assert reasons(calls, away, fault("kill-worker", "w1.1", 16)) == [True]
    assert reasons(calls, away, fault("kill-worker", "w1.1", 19)) == [False]  # it was back for long
    assert reasons(calls, away, fault("kill-worker", "w2.1", 14)) == [False]  # another worker
    assert reasons(calls, away) == [False]
    assert reasons(calls, fault("kill-postgres", "postgres", 5, 15), fault("kill-worker", "w1.1", 14)) == [
        False
    ]  # later
    assert reasons(calls, fault("restart-postgres", "postgres", 11, 15), fault("kill-worker", "w1.1", 14)) == [False]
    assert reasons(calls, fault("cut-connections", "postgres", 11), fault("kill-worker", "w1.1", 14)) == [False]


def test_a_kill_of_another_or_at_another_time_excuses_nothing():
    calls = [call("w1.1", 10, 12), call("w2.1", 20, 21)]
    assert reasons(calls, fault("kill-worker", "w2.1", 11)) == [False]
    assert reasons(calls, fault("kill-worker", "w1.1", 9)) == [False]
    assert reasons(calls, fault("kill-worker", "w1.1", 12 + KEEPING * 2)) == [False]
    assert reasons(calls, fault("kill-broker", "broker", 11)) == [False]


def test_a_pause_excuses_only_when_it_outlasts_the_lease():
    calls = [call("w1.1", 10, 12), call("w2.1", 20, 21)]
    assert reasons(calls, fault("pause-worker", "w1.1", 11, 20)) == [True]
    assert reasons(calls, fault("pause-worker", "w1.1", 11, 14)) == [False]


def test_an_answer_that_the_provider_spoilt_may_be_paid_again():
    assert reasons([call("w1.1", 10, 12, fault="cut"), call("w1.1", 20, 21)]) == [True]


def test_two_calls_for_one_content_side_by_side_break_a_promise():
    (line,) = broken(found(asked(1), calls=[call("w1.1", 10, 12), call("w2.1", 11, 13)]))
    assert "paid twice" in line


def test_each_payment_but_the_last_needs_a_reason():
    calls = [call("w1.1", 10, 12), call("w2.1", 20, 22), call("w3.1", 30, 32)]
    assert reasons(calls, fault("kill-worker", "w1.1", 11)) == [True, False]


def test_a_paid_call_that_the_journal_does_not_hold_needs_a_reason_as_well():
    (line,) = broken(found(asked(1), calls=[call("w1.1", 10, 12)], spends=0))
    assert "not in the journal" in line


def test_a_bill_that_was_not_told_breaks_a_promise():
    evidence = found(asked(1), calls=[call("w1.1", 10, 12)])
    evidence.told = 0
    assert "usage table 0" in broken(evidence)[0]


def test_a_video_without_an_ending_is_lost():
    verdict = judge(found(asked(1), runs={"run-1": Run("embedding")}), LEASE)
    assert len(verdict.lost) == len(verdict.broken) == 1
    del (evidence := found(asked(1))).runs["run-1"]
    assert "unknown to the tables" in judge(evidence, LEASE).lost[0]


def test_a_healthy_video_may_fail_only_when_the_provider_failed_it_often_enough():
    runs = {"run-1": Run("failed", "SpeechUnavailable", "500")}
    failing = [call("w1.1", n, n + 1, content=None, fault="status") for n in range(3)]
    assert "should have completed" in broken(found(asked(1), runs=runs, calls=failing[:2]))[0]
    assert broken(found(asked(1), runs=runs, calls=failing)) == []


def test_a_broken_film_must_not_complete():
    assert "should have failed" in broken(found(asked(1, "broken"), runs={"run-1": Run("completed")}))[0]


def test_videos_at_once_are_counted_by_creator_function_and_film():
    calls = [call("w1.1", 0, 10, film=n) for n in range(11)]
    creators = {n: "ada" if n else "bob" for n in range(11)}
    more = [call("w1.1", 0, 10, film=1), call("w1.1", 0, 10, film=1, kind="embeddings"), call("w1.1", 10, 11, film=12)]
    peaks = most_at_once([*calls, *more], {**creators, 12: "ada"}, [], LEASE)
    assert peaks["transcribe-video"].videos == 10
    assert peaks["generate-embeddings"].videos == 1


def test_calls_of_a_dead_worker_are_no_longer_at_work():
    calls = [call("w1.1", 0, 10, film=1), call("w2.1", 5, 8, film=2), call("w1.2", 6, 7, film=3)]
    creators = {1: "ada", 2: "ada", 3: "ada"}
    assert most_at_once(calls, creators, [], LEASE)["transcribe-video"].videos == 3
    dead = [fault("kill-worker", "w1.1", 4)]
    assert most_at_once(calls, creators, dead, LEASE)["transcribe-video"].videos == 2


def test_eleven_videos_of_one_creator_at_once_break_a_promise():
    videos = [asked(n) for n in range(11)]
    calls = [call("w1.1", 0, 10, film=n, content=str(n)) for n in range(11)]
    assert broken(found(*videos, calls=calls)) == ["11 videos of ada were at once in transcribe-video"]


def test_what_verify_finds_and_what_ends_by_itself_breaks_a_promise():
    evidence = found(asked(1))
    evidence.differences, evidence.without_ending, evidence.dead_letters = ["videos x: differs"], ["v"], 1
    evidence.exits = [Exit(1.0, "w1.1", "exit code 1", True), Exit(2.0, "w2.1", "exit code 1", False)]
    evidence.stubborn = ["w3.1"]
    assert len(broken(evidence)) == 5


def test_recovery_is_the_time_to_the_next_fact_and_to_the_next_finished_video():
    evidence = found(asked(1), faults=[fault("kill-worker", "w1.1", 10.0), fault("kill-broker", "broker", 50.0)])
    evidence.facts, evidence.finished = [9.0, 12.5, 30.0], [9.0, 30.0]
    verdict = judge(evidence, LEASE)
    assert [(r.fact, r.finish) for r in verdict.recoveries] == [(2.5, 20.0), (None, None)]
    assert verdict.slowest() == (verdict.recoveries[0], verdict.recoveries[0])


def test_a_report_holds_every_fault_every_payment_and_every_broken_promise():
    calls = [call("w1.1", 10, 12), call("w2.1", 20, 21)]
    evidence = found(asked(1), asked(2, "missing"), calls=calls, faults=[fault("kill-worker", "w1.1", 11)], spends=1)
    evidence.runs["run-2"] = Run("failed", "ObjectMissing", "there is none")
    verdict = judge(evidence, LEASE)
    text = to_markdown(evidence, verdict, "make faults")
    assert "Every promise was kept" in text
    assert "in the air at the kill of fault 1, 1.00 s after it began and 1.00 s before its answer" in text
    assert "ObjectMissing" in text
    assert json.loads(json.dumps(to_json(evidence, verdict, "make faults")))["paidTwice"][0]["excused"]


def test_a_report_names_what_was_broken():
    evidence = found(asked(1), runs={"run-1": Run("embedding")})
    assert "lost: video-1 of ada" in to_markdown(evidence, judge(evidence, LEASE), "make faults")
    assert not to_json(evidence, judge(evidence, LEASE), "make faults")["ok"]
    assert isinstance(judge(evidence, LEASE), Verdict)
