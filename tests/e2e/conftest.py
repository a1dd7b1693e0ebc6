"""One stack for the tests of a module: a broker and a database of its own, and the paid provider's double."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.stack import Hands, Stack, new_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Functions and projection run, each in a process of its own."""
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_functions()
        stack.start_projection()
        yield stack


@pytest.fixture
async def hands(stack: Stack) -> AsyncIterator[Hands]:
    stack.provider.clear()
    async with stack.hands() as hands:
        yield hands
