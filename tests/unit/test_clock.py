"""The player's clock where timestamps jump: a gap stays a gap, and what was joined is played one after the other."""

from __future__ import annotations

import pytest

from chronos.adapters.clock import PlayerClock


def played(clock: PlayerClock, *stamps: float, pictures: tuple[float, ...] = ()) -> list[float]:
    """Where sounds of one second are played. Pictures come before the sound that has a later timestamp."""
    end, places, left = 0.0, [], list(pictures)
    for stamp in stamps:
        while left and left[0] < stamp:
            clock.other(left.pop(0))
        at = clock.place(stamp, 1.0, end)
        places.append(at)
        end = at + 1.0
    return places


@pytest.mark.parametrize("jumps", [True, False])
def test_a_clock_that_starts_again_goes_on_where_it_was(jumps: bool) -> None:
    assert played(PlayerClock(100.0, jumps=jumps), 100.0, 101.0, 0.0, 1.0, 500.0 if jumps else 2.0) == [0, 1, 2, 3, 4]


def test_a_jump_ahead_is_a_gap_in_a_format_whose_clock_does_not_jump() -> None:
    assert played(PlayerClock(0.0, jumps=False), 0.0, 1.0, 50.0) == [0, 1, 50]


def test_a_gap_in_the_sound_alone_is_a_gap_since_the_pictures_went_on() -> None:
    assert played(PlayerClock(0.0, jumps=True), 0.0, 1.0, 50.0, pictures=tuple(range(50))) == [0, 1, 50]


def test_where_the_pictures_jump_as_well_it_is_a_new_start() -> None:
    assert played(PlayerClock(0.0, jumps=True), 0.0, 1.0, 50.0, pictures=(0, 1, 48.0, 49.0)) == [0, 1, 2]


def test_a_small_gap_is_one_in_every_format() -> None:
    assert played(PlayerClock(0.0, jumps=True), 0.0, 1.0, 9.0) == [0, 1, 9]


def test_sound_before_the_beginning_is_no_new_start() -> None:
    assert PlayerClock(0.0, jumps=False).place(-3.0, 1.0, 0.0) == -3.0


def test_the_last_sound_before_a_gap_may_come_after_its_pictures() -> None:
    """A parser gives a packet out when the next one begins."""
    clock = PlayerClock(0.0, jumps=True)
    assert clock.place(0.0, 1.0, 0.0) == 0.0
    for second in range(50):
        clock.other(second)
    assert [clock.place(1.0, 1.0, 1.0), clock.place(50.0, 1.0, 2.0)] == [1.0, 50.0]
