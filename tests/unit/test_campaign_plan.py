"""What a campaign does follows from its seed: its faults, its load, and the numbers that its films carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.adapters.sound import RATE
from tests.faults.campaign import films
from tests.faults.campaign.load import MANY, requests, sent_at
from tests.faults.campaign.plan import WEIGHTS, Bounds, plan

BOUNDS = Bounds(length=360.0, workers=2, lease=4.0, longest_pause=90.0)


@given(st.integers(0, 10_000), st.integers(0, 80), st.integers(1, 4))
def test_workers_never_fall_to_none_and_never_grow_beyond_two_more(seed: int, faults: int, workers: int):
    now = workers
    for strike in plan(seed, faults, Bounds(360.0, workers, 4.0, 90.0)):
        now += {"add-worker": 1, "remove-worker": -1}.get(strike.kind, 0)
        assert 1 <= now <= workers + 2


def test_a_seed_gives_the_same_faults_again_and_another_gives_others():
    assert plan(7, 60, BOUNDS) == plan(7, 60, BOUNDS)
    assert plan(7, 60, BOUNDS) != plan(8, 60, BOUNDS)


def test_every_kind_of_fault_strikes_once_before_any_strikes_again():
    kinds = [strike.kind for strike in plan(3, len(WEIGHTS) - 2, BOUNDS)]
    assert len(set(kinds)) >= len(kinds) - 1  # the last worker is not removed: one is added instead


def test_faults_come_in_the_order_of_time_within_the_campaign():
    times = [strike.at for strike in plan(5, 60, BOUNDS)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= BOUNDS.length


def test_a_pause_is_longer_than_the_lease():
    pauses = [s.seconds for s in plan(5, 300, BOUNDS) if s.kind == "pause-worker"]
    assert min(pauses) > BOUNDS.lease
    assert max(pauses) <= BOUNDS.longest_pause


def test_one_creator_sends_half_of_the_videos():
    made = requests(1, 400, 360.0)
    assert [r.number for r in made] == list(range(400))
    assert sum(r.creator == MANY for r in made) == 200


def test_who_asks_again_asks_for_a_video_of_the_same_creator():
    made = requests(4, 400, 360.0)
    again = [r for r in made if r.sort == "again"]
    assert again
    for request in again:
        (first,) = [r for r in made if r.number == request.film]
        assert (first.video, first.creator, first.parts) == (request.video, request.creator, request.parts)


def test_a_copy_has_the_sound_of_another_video_of_the_same_creator():
    made = requests(4, 400, 360.0)
    copies = [r for r in made if r.sort == "copy"]
    assert copies
    assert all(made[r.film].creator == r.creator and made[r.film].video != r.video for r in copies)


@pytest.mark.parametrize(("number", "parts"), [(0, 1), (37, 2), (films.MOST_FILMS - 1, films.MOST_PARTS)])
def test_a_part_of_a_film_says_which_it_is(number: int, parts: int):
    whole = films.film(number, parts)
    part = round((films.PART + films.GAP) * RATE) * 2
    for index in range(parts):
        alone = whole[:44] + whole[44 + part * index :][: round(films.PART * RATE) * 2]
        assert films.marked(b"--boundary\r\n\r\n" + alone) == (number, index)


def test_a_film_beyond_what_the_samples_carry_is_refused():
    with pytest.raises(ValueError, match="beyond"):
        films.film(films.MOST_FILMS, 1)


def test_what_is_no_film_carries_no_number():
    assert films.marked(b"no sound at all") is None
    assert films.marked(films.film(1, 0)) is None  # silence


def test_a_run_id_says_when_its_request_was_written():
    assert sent_at("01a20ea5-3ba1-7000-8000-00000f2579e2") == 0x01A20EA53BA1 / 1000
