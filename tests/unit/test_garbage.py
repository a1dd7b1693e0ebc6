"""What a process began with is never searched for garbage again; what comes after it is."""

import gc
from collections.abc import Iterator

import pytest

from streams.garbage import keep_what_is_here


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_only_what_is_made_later_is_searched():
    before: list[object] = [[]]
    keep_what_is_here()
    after: list[object] = [[]]
    searched = {id(one) for one in gc.get_objects()}
    assert id(before) not in searched
    assert id(after) in searched
