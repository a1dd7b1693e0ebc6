"""Where sound is cut: no speech is lost, long silence is not paid for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.cutter import Cutting, Levels, Span, silences, spans

CUTTING = Cutting()


@st.composite
def sounds(draw: st.DrawFn) -> tuple[float, list[Span]]:
    """A duration of up to ten minutes and its silences, on whole milliseconds, apart and in order."""
    lengths = draw(st.lists(st.tuples(st.integers(1, 90_000), st.integers(1, 9_000)), max_size=12))
    at, quiet = draw(st.sampled_from([0, 1, 5_000])), []
    if at:
        quiet.append((0.0, at / 1000))
    for speech, silence in lengths:
        quiet.append(((at + speech) / 1000, (at + speech + silence) / 1000))
        at += speech + silence
    return (at + draw(st.integers(0, 90_000))) / 1000, quiet


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def uncovered(duration: float, found: tuple[Span, ...]) -> list[tuple[int, int]]:
    """The stretches of the sound that no span covers, in milliseconds."""
    edges = [0, *(ms(edge) for span in found for edge in span), ms(duration)]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


@given(sounds())
def test_no_speech_is_left_out(sound: tuple[float, list[Span]]) -> None:
    duration, quiet = sound
    for start, end in uncovered(duration, spans(duration, quiet, CUTTING)):
        assert any(ms(begin) <= start and end <= ms(stop) for begin, stop in quiet)


@given(sounds())
def test_spans_are_in_order_apart_and_never_longer_than_a_minute(sound: tuple[float, list[Span]]) -> None:
    duration, quiet = sound
    found = spans(duration, quiet, CUTTING)
    edges = [ms(edge) for span in found for edge in span]
    assert edges == sorted(edges)
    assert all(0 < ms(end) - ms(start) <= ms(CUTTING.longest) for start, end in found)
    assert all(0 <= edge <= ms(duration) for edge in edges)


@given(sounds())
def test_a_long_silence_is_not_paid_for(sound: tuple[float, list[Span]]) -> None:
    duration, quiet = sound
    padding = ms(CUTTING.padding)
    for start, end in quiet:
        if end - start < CUTTING.lull:
            continue
        for begin, stop in spans(duration, quiet, CUTTING):
            assert ms(stop) <= ms(start) + padding or ms(begin) >= ms(end) - padding


@given(sounds())
def test_a_span_is_short_only_beside_silence(sound: tuple[float, list[Span]]) -> None:
    duration, quiet = sound
    found = spans(duration, quiet, CUTTING)
    for (start, end), (following, _) in pairwise(found):
        if ms(end) - ms(start) < ms(CUTTING.shortest):
            assert following - end >= CUTTING.lull - 2 * CUTTING.padding - 0.001


def test_silence_alone_gives_nothing_to_send() -> None:
    assert spans(100.0, [(0.0, 100.0)], CUTTING) == ()
    assert spans(0.0, [], CUTTING) == ()


def test_the_longest_pause_in_reach_is_chosen_and_cut_in_its_middle() -> None:
    quiet = [(20.0, 21.5), (35.0, 35.3), (45.0, 45.4), (55.0, 55.3)]
    assert spans(80.0, quiet, CUTTING) == ((0.0, 45.2), (45.2, 80.0))


def test_of_a_longer_pause_each_side_keeps_its_padding() -> None:
    assert spans(80.0, [(45.0, 46.0)], CUTTING) == ((0.0, 45.2), (45.8, 80.0))


def test_speech_without_a_pause_is_cut_at_a_minute() -> None:
    assert spans(150.0, [], CUTTING) == ((0.0, 60.0), (60.0, 120.0), (120.0, 150.0))


def test_silences_that_overlap_or_leave_the_sound_are_understood() -> None:
    assert spans(10.0, [(8.0, 20.0), (3.0, 5.0), (4.0, 6.0), (-1.0, 0.5)], CUTTING) == ((0.3, 3.2), (5.8, 8.2))


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="shortest < longest"):
        Cutting(shortest=60.0, longest=30.0)
    with pytest.raises(ValueError, match="longest <= 600"):
        Cutting(longest=601.0)
    with pytest.raises(ValueError, match=r"frame <= 0\.1 <= pause"):
        Cutting(frame=0.0)


def test_a_listener_is_another_when_it_finds_other_pauses_and_not_when_they_are_cut_otherwise() -> None:
    assert CUTTING.listener() == Cutting(shortest=5.0, longest=15.0, lull=1.0, padding=0.1).listener()
    others = [Cutting(**{name: getattr(CUTTING, name) * 0.9}) for name in ("frame", "pause", "faintest", "loudest")]
    others += [Cutting(rise=5.0), Cutting(depth=11.0)]
    assert len({one.listener() for one in [CUTTING, *others]}) == 7


def levels(*parts: tuple[float, float]) -> Levels:
    """Loudness of (seconds, dBFS) parts."""
    frames = [np.full(round(seconds / CUTTING.frame), level, np.float32) for seconds, level in parts]
    return np.concatenate([np.empty(0, np.float32), *frames])


def test_pauses_are_found_in_a_quiet_room() -> None:
    found = silences(levels((5, -20), (1, -62), (5, -25), (0.1, -62), (5, -20)), CUTTING)
    assert [pytest.approx((5.0, 6.0))] == found


def test_pauses_are_found_above_a_noisy_background() -> None:
    assert len(silences(levels((5, -12), (1, -42), (5, -12)), CUTTING)) == 1


def test_steady_noise_or_music_is_not_taken_for_silence() -> None:
    assert silences(levels((60, -45)), CUTTING) == []


def test_one_word_in_an_hour_of_digital_silence_is_kept() -> None:
    found = silences(levels((1800, -120), (0.5, -30), (1800, -120)), CUTTING)
    assert [(round(start), round(end, 1)) for start, end in found] == [(0, 1800.0), (1800, 3600.5)]


def test_digital_silence_is_one_silence() -> None:
    assert [pytest.approx((0.0, 10.0))] == silences(levels((10, -120)), CUTTING)
    assert silences(levels(), CUTTING) == []
