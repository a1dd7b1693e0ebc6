"""What many of these tests stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from streams.journal import prepare
from streams.postgres import Pool, connect


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections to a database of the module's own, with the journal in it."""
    pool = await connect(database_url)
    await prepare(pool)
    yield pool
    await pool.close()
