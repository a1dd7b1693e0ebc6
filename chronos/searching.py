"""Hybrid search: full text and vectors, joined by rank, down to the second at which the best passage begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from chronos import app
from chronos.adapters import vectors
from chronos.config import Settings
from chronos.embedders import Embedders, parts_of
from chronos.quoting import Quote, quotes
from streams.postgres import Connection, Pool, Row, load_queries
from streams.retry import Fault

log = structlog.get_logger()

SQL = load_queries("projections.sql", "search.sql")

RANK_DAMPING = 60
"""Reciprocal rank fusion's constant (Cormack, Clarke and Buettcher, SIGIR 2009): lower lets one list's first hit rule,
higher makes ranks alike."""

DEPTH = 50  # hits of each list that are joined

MARKS = ("\x02", "\x03")  # around the words that were found; what shows them turns these into its own


@dataclass(frozen=True)
class Hit:
    """A passage that answers."""

    video_id: str
    creator_id: str
    title: str | None
    start_seconds: float
    end_seconds: float
    text: str
    marked: str  # the text with \x02 and \x03 around each word that was found
    score: float
    ranks: dict[str, int]  # the chunk's place in each list that has it: by words, and by meaning in a space
    chunk: int
    chunk_set_id: str
    transcript: tuple[str, int, int]  # topic, partition and offset of the fact that it was cut from


@dataclass(frozen=True)
class Ranked:
    """A chunk that was found, and its place in each list that has it."""

    row: Row
    ranks: dict[str, int]

    @property
    def score(self) -> float:
        return sum(1 / (RANK_DAMPING + rank) for rank in self.ranks.values())


async def search(settings: Settings, words: str, creator_id: str | None, limit: int = 10) -> list[Hit]:
    """The best passages for the words, best first; of one creator, or of all for operators on their own machine.

    Raises:
        EmbeddingUnavailable, EmbeddingBusy, EmbeddingRefused: the provider did not embed the question.
    """
    async with app.embedders(settings) as embedders, app.projection_pool(settings, most=2) as pool:
        return await find(pool, embedders, words, creator_id, limit)


async def find(pool: Pool, embedders: Embedders, words: str, creator_id: str | None, limit: int) -> list[Hit]:
    """As `search`, for who searches often."""
    best = (await ranked(pool, embedders, words, creator_id))[:limit]
    async with pool.acquire() as connection:
        said = await quotes(connection, words, [one.row for one in best])
    return [_hit(one, quote) for one, quote in zip(best, said, strict=True)]


async def ranked(pool: Pool, embedders: Embedders, words: str, creator_id: str | None) -> list[Ranked]:
    """Chunks, best first."""
    return join(await _lists(pool, embedders, words, creator_id))


async def _lists(
    pool: Pool, embedders: Embedders, words: str, creator_id: str | None
) -> dict[str, Sequence[Row]]:  # fmt: skip
    """Ranked lists by name: chunks by their words, and by nearness of their vectors: a list for each space that videos
    are served from, since distances of two models cannot be compared. All in one snapshot, so that a video's old and
    new sets never mix; where a switch comes between question and answer, it is asked again."""
    questions: dict[str, bytes | None] = {}
    while True:
        spaces = await _spaces(pool)
        for space in spaces:
            if space not in questions:
                questions[space] = await _embedded(embedders, space, words, needed=space == spaces[0])
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            if await _spaces(connection) == spaces:
                by_words = await connection.fetch(SQL["by_words"], words, creator_id, DEPTH)
                asked = [(space, question) for space in spaces if (question := questions[space]) is not None]
                nearest = {space: await _nearest(connection, space, question, creator_id) for space, question in asked}
                return {"words": by_words, **nearest}


async def _spaces(connection: Connection | Pool) -> list[str]:
    return [row["space"] for row in await connection.fetch(SQL["spaces_in_search"])]


async def _embedded(embedders: Embedders, space: str, words: str, *, needed: bool) -> bytes | None:
    """The question in a space. A model of before that is gone costs its videos their place by meaning, no more."""
    try:
        return await embedders.of(space).embed_query(words)
    except Fault as error:
        if needed:
            raise
        log.warning("question not embedded", space=space, error=str(error))
        return None


async def _nearest(connection: Connection, space: str, question: bytes, creator_id: str | None) -> Sequence[Row]:
    """The index's scan goes on until a small creator has its hits too."""
    await connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
    sql = SQL["by_meaning"].replace("embedding_cast", vectors.cast(parts_of(space)[1]))
    return await connection.fetch(sql, question, space, creator_id, DEPTH)


def join(lists: Mapping[str, Sequence[Row]]) -> list[Ranked]:
    """Reciprocal rank fusion: chunks of several ranked lists, best first. Of equals, who has the words is before who is
    only near: the nearest of something is always there."""
    found: dict[tuple[Any, ...], Ranked] = {}
    for name, listed in lists.items():
        for rank, row in enumerate(listed, 1):
            key = (row["creator_id"], row["video_id"], row["chunk_set_id"], row["index"])
            found.setdefault(key, Ranked(row, {})).ranks[name] = rank
    return [found[key] for key in sorted(found, key=lambda key: (-found[key].score, _by_words(found[key]), key))]


def _by_words(found: Ranked) -> int:
    return found.ranks.get("words", DEPTH + 1)


def _hit(found: Ranked, quote: Quote) -> Hit:
    row = found.row
    return Hit(
        video_id=row["video_id"],
        creator_id=row["creator_id"],
        title=row["title"],
        start_seconds=quote.passage.start,
        end_seconds=quote.passage.end,
        text=quote.passage.text,
        marked=quote.marked,
        score=round(found.score, 6),
        ranks=found.ranks,
        chunk=row["index"],
        chunk_set_id=row["chunk_set_id"],
        transcript=(row["topic"], row["partition"], row["offset"]),
    )
