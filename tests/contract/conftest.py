"""The provider's double, one for each suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.provider import Provider


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider
