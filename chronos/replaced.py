"""Topics that were made anew or have grown since a group worked on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from chronos import app, sides
from chronos.adapters import vectors
from chronos.config import Settings
from chronos.folding import folding
from chronos.sides import is_projection
from streams import postgres
from streams.journal import prepare
from streams.progress import Progress
from streams.projector import Folding

R = TypeVar("R")


async def replaced(settings: Settings, group: str) -> set[str]:
    """Topics of which a group must be told where to begin."""
    if is_projection(group):
        return set().union(*await _in_each_side(settings, Folding.replaced))
    pool = await postgres.connect(settings.database(), most=1)
    try:
        await prepare(pool)  # no worker may have run yet
        return {topic for _, topic in await Progress(pool, await app.topic_ids(settings)).replaced([group])}
    finally:
        await pool.close()


async def forget_older(settings: Settings) -> None:
    """Has every side of the projection begin anew in topics that were made anew, and know how far others have grown."""
    await _in_each_side(settings, Folding.forget_older)


async def _in_each_side(settings: Settings, work: Callable[[Folding], Awaitable[R]]) -> list[R]:
    await sides.prepare(settings)
    async with sides.one_connection(settings) as connection:
        schemas = [side.schema for side in await sides.sides(connection)]
    found = []
    for schema in schemas:
        async with app.projection_pool(settings, most=1, schema=schema) as pool:
            found.append(await work(await folding(settings, pool, vectors.Partitions("none"))))
    return found
