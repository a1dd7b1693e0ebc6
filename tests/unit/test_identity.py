"""Identities: the same on every redelivery, and in the order in which people asked."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.identity import Place, canonical, emitted_run, event_id, outside_run, to_bytes

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


@given(st.lists(st.text(), min_size=5, max_size=5))
def test_event_ids_are_uuids_version_5_of_a_name_space_of_our_own(parts):
    space = uuid.UUID("5f0c7a52-2c8e-5d0b-9c7f-6f1f6b7c1f11")
    assert event_id(*parts) == str(uuid.uuid5(space, "\0".join(parts)))


@given(st.uuids())
def test_a_uuid_in_any_spelling_is_the_same_id_here(value):
    for spelling in (str(value), str(value).upper(), value.hex, f"{{{value}}}", value.urn):
        assert canonical(spelling) == str(value)
    assert to_bytes(str(value)) == value.bytes


@given(st.text(max_size=40))
def test_what_is_no_uuid_is_refused_as_python_refuses_it(text):
    try:
        wanted = str(uuid.UUID(text))
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  # which words it says is Python's affair
            canonical(text)
    else:
        assert canonical(text) == wanted
