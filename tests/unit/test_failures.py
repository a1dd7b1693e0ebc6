"""Which failures are tried again, and at what cost: nothing twice, nothing that has been overcome, no false promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chronos.failures import COMMANDS, RETRIED, SAME_EVENT, Failure, Filter, Prices, bill, choose, cost
from chronos.pipeline import FUNCTIONS
from schemas.catalogue import CATALOGUE
from schemas.event import Coordinates

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PRICES = Prices(minute=6_000, million_tokens=20_000)


def failure(id: str = "f", minutes: int = 0, **more: object) -> Failure:
    given = {
        "creator": "ada",
        "video": "v",
        "run": "r",
        "function": "transcribe-video",
        "attempts": 3,
        "type": "SpeechUnavailable",
        "message": "no",
        "retryable": True,
        "origin": Coordinates(topic="transcribe.requested", partition=0, offset=0),
        "failed_at": NOON + timedelta(minutes=minutes),
        "standing": True,
    }
    return Failure(id=id, **(given | more))


def ids(found: list[Failure]) -> list[str]:
    return [one.id for one in found]


def test_a_retry_is_a_command_or_the_same_fact_and_every_function_that_can_fail_has_one():
    assert {CATALOGUE[topic].kind for topic in COMMANDS.values()} == {"command"}
    assert set(RETRIED) == {function.name for function in FUNCTIONS if function.reports_failure}
    facts = {f.name for f in FUNCTIONS if f.reports_failure and {event.kind for event in f.consumes} == {"fact"}}
    assert set(SAME_EVENT) == facts


def test_each_message_that_was_not_delivered_is_for_itself_and_beside_the_videos_own_failure():
    at = [Coordinates(topic="function.failed", partition=0, offset=offset) for offset in (1, 2)]
    again = failure("again", 3, function="send-webhooks", origin=at[0])
    webhooks = [failure(f"w{n}", n, function="send-webhooks", origin=at[n]) for n in (0, 1)]
    assert ids(choose([failure("video", 2), *webhooks, again], Filter())) == ["w1", "video", "again"]
    assert cost(again, PRICES) == 0


def test_a_video_that_failed_twice_in_one_run_is_sent_once_for_its_newest_failure():
    embedding = failure("second", 1, function="generate-embeddings")
    assert ids(choose([embedding, failure("first")], Filter())) == ["second"]
    assert choose([embedding, failure("first")], Filter(function="transcribe-video")) == []


def test_videos_of_the_same_name_of_two_creators_are_two():
    assert ids(choose([failure("a"), failure("b", 1, creator="bob")], Filter())) == ["a", "b"]


def test_what_was_retried_or_completed_since_is_left_alone_unless_it_is_asked_for():
    over = failure("over", standing=False)
    assert choose([over], Filter()) == []
    assert ids(choose([over], Filter(), even_over=True)) == ["over"]


def test_with_all_each_video_still_comes_once():
    old, new = failure("old", 0, standing=False), failure("new", 5, standing=False, type="ObjectMissing")
    assert ids(choose([old, new], Filter(), even_over=True)) == ["new"]
    assert ids(choose([old, new], Filter(error_type="SpeechUnavailable"), even_over=True)) == ["old"]


def test_each_batch_is_for_itself():
    one, two = (failure(id, video=None, function="batch-reprocess-embeddings") for id in ("one", "two"))
    assert ids(choose([one, two], Filter())) == ["one", "two"]


@pytest.mark.parametrize(
    "chosen",
    [
        Filter(function="generate-embeddings"),
        Filter(error_type="ObjectMissing"),
        Filter(creator="bob"),
        Filter(since=NOON + timedelta(seconds=1)),
        Filter(before=NOON),
        Filter(ids=frozenset({"another"})),
    ],
)
def test_every_part_of_a_filter_leaves_out(chosen: Filter):
    assert choose([failure()], chosen) == []


def test_what_was_heard_already_is_free_and_what_follows_is_counted():
    whole = cost(failure(duration=600.0), PRICES)
    half = cost(failure(duration=600.0, heard=300.0), PRICES)
    none = cost(failure(duration=600.0, heard=700.0), PRICES)
    assert whole == 60_000 + 84
    assert half == 30_000 + 84
    assert none == 84  # the embeddings of ten minutes


def test_embeddings_cost_what_is_left_of_the_transcript():
    embedding = {"function": "generate-embeddings", "transcript_bytes": 400_000}
    assert cost(failure(**embedding), PRICES) == 2_500
    assert cost(failure(**embedding, embedded=100_000), PRICES) == 500


def test_an_unknown_length_is_said_to_be_unknown_and_not_taken_for_free():
    costs = [cost(failure(), PRICES), cost(failure(function="generate-embeddings"), PRICES), 7]
    assert costs == [None, None, 7]
    assert (bill(costs).micro_usd, bill(costs).unknown) == (7, 2)


def test_models_at_home_cost_nothing_whatever_the_length():
    home = Prices(0, 0)
    assert {cost(failure(function=name), home) for name in COMMANDS} == {0}
