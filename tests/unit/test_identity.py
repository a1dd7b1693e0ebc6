"""Identities: the same on every redelivery, and in the order in which people asked."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from streams.identity import Place, emitted_run, event_id, outside_run

PLACE = st.builds(
    Place, topic_id=st.sampled_from(["t", "u"]), partition=st.integers(0, 11), offset=st.integers(0, 2**40)
)


@given(PLACE, st.integers(0, 2**47))
def test_a_run_id_is_a_uuid_version_7(place, ms):
    run = uuid.UUID(outside_run(place, ms))
    assert run.version == 7
    assert run.variant == uuid.RFC_4122
    assert run.int >> 80 == ms


@given(st.integers(0, 2**40), st.integers(1, 1000), st.integers(0, 2**40), st.integers(0, 3))
def test_two_requests_sort_as_they_were_written(offset, gap, ms, later):
    first = outside_run(Place("t", 0, offset), ms)
    second = outside_run(Place("t", 0, offset + gap), ms + later)
    assert first < second


def test_the_same_video_of_two_creators_gets_two_runs():
    cause = outside_run(Place("t", 0, 1), 1000)
    assert emitted_run(cause, "e", "a", "v") != emitted_run(cause, "e", "b", "v")
    assert emitted_run(cause, "e", "a", "v") == emitted_run(cause, "e", "a", "v")


def test_what_one_input_gives_several_of_is_told_apart():
    ids = {event_id("i", "f", "1", "segment.transcribed", str(n)) for n in range(9)}
    assert len(ids) == 9
