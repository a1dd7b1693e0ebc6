"""Deletions in the journal: a mark that outlives every rewind, and the end of what only one video has paid for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from streams.codec import Received
from streams.identity import asked_at
from streams.postgres import Pool, load_queries, patiently

SQL = load_queries("streams.sql", "erasing.sql")


class Eraser:
    """Waits while the database is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def erase(self, creator_id: str, video_id: str, run_id: str) -> int:
        """Ends all runs of a video that are older than a deletion's, now and for ever, and erases the paid results that
        no other video uses; gives how many went. To do it twice does no harm."""
        await patiently(lambda: self._mark(creator_id, video_id, run_id))
        erase = SQL["erase"]
        return int(await patiently(lambda: self._pool.fetchval(erase, creator_id, video_id, run_id, timeout=None)))

    async def _mark(self, creator_id: str, video_id: str, run_id: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["alone"])
            await connection.execute(SQL["mark"], creator_id, video_id, run_id)

    async def count(self, creator_id: str, video_id: str) -> tuple[int, int]:
        """How many paid results would go with a video, and how many would stay because others use them too."""
        [row] = await patiently(lambda: self._pool.fetch(SQL["count"], creator_id, video_id))
        return row["going"], row["staying"]

    async def deletions(
        self, videos: Iterable[tuple[str | None, str | None]]
    ) -> dict[tuple[str | None, str | None], datetime]:
        """When those of some videos were deleted that were, by creator and id."""
        if not (asked := list(videos)):
            return {}
        rows = await patiently(lambda: self._pool.fetch(SQL["deletions"], *map(list, zip(*asked, strict=True))))
        return {(row["creator_id"], row["video_id"]): asked_at(str(row["run_id"])) for row in rows}

    async def deleted(self, asked: Iterable[Received]) -> set[str]:
        """Ids of those events whose run is older than a deletion of its video."""
        lines = [(one.id, one.event.owner(), one.event.subject(), one.run_id) for one in asked]
        if not lines:
            return set()
        rows = await patiently(lambda: self._pool.fetch(SQL["marked"], *map(list, zip(*lines, strict=True))))
        return {row["id"] for row in rows}
