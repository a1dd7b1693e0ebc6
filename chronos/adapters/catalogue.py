"""The videos of a batch, chosen from the projection."""

from __future__ import annotations

from schemas.batch import Chosen, EmbeddingsBatchReprocess, VideoFilter
from schemas.event import Coordinates
from streams.postgres import Pool, load_queries, patiently

SQL = load_queries("projections.sql", "questions.sql")


class ProjectedCatalogue:
    """See agents.ports.Catalogue."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def choose(self, request: EmbeddingsBatchReprocess) -> list[Chosen]:
        """Where a creator is named, only that creator's videos can be chosen."""
        wanted = request.filter or VideoFilter()
        rows = await patiently(
            lambda: self._pool.fetch(
                SQL["choose_videos"],
                request.video_ids,
                request.creator_id,
                wanted.creator_id,
                wanted.status,
                wanted.model_not,
                wanted.before,
            )
        )
        return [
            Chosen(
                creator_id=row["creator_id"],
                video_id=row["video_id"],
                transcript=Coordinates(topic=row["topic"], partition=row["partition"], offset=row["offset"]),
            )
            for row in rows
        ]
