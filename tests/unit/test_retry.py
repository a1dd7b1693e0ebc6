"""Verdicts: what no retry can help fails at once, patience costs no attempt, and waits grow up to their cap."""

import pytest

from agents.ports import ObjectMissing, SpeechBusy, SpeechUnavailable
from streams.retry import Again, Dead, Retry, judge

RETRY = Retry(attempts=3, first=2.0, cap=60.0)


def test_what_no_retry_can_help_fails_at_once():
    assert isinstance(judge(ObjectMissing("gone"), 1, RETRY), Dead)


def test_a_provider_that_asks_for_patience_costs_no_attempt_and_is_obeyed():
    verdict = judge(SpeechBusy("wait", retry_after=7.0), 3, RETRY)
    assert isinstance(verdict, Again)
    assert (verdict.after, verdict.charged) == (7.0, False)


@pytest.mark.parametrize(("attempt", "ending"), [(1, Again), (2, Again), (3, Dead)])
def test_an_outage_is_retried_as_often_as_the_function_says(attempt, ending):
    assert isinstance(judge(SpeechUnavailable("down"), attempt, RETRY), ending)


def test_an_unknown_error_is_retried_since_a_bug_may_be_mended_meanwhile():
    verdict = judge(KeyError("surprise"), 1, RETRY)
    assert isinstance(verdict, Again)
    assert verdict.problem.type == "KeyError"


def test_waits_double_and_stay_under_their_cap():
    assert 2.0 <= RETRY.wait(1) <= 4.0
    assert 4.0 <= RETRY.wait(2) <= 6.0
    assert RETRY.wait(50) <= 60.0
