"""What is shown of chunks that were found: of each the sentence that answers, from its second, with its words marked.

Each question is put once for all of them: the round trips of ten hits took longer than the search itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from projections.passages import Passage, narrowed, passages
from streams.postgres import Connection, Row, load_queries

SQL = load_queries("projections.sql", "search.sql")


class Quote(NamedTuple):
    passage: Passage
    marked: str  # its text with \x02 and \x03 around each word that was found


async def quotes(connection: Connection, words: str, chunks: Sequence[Row]) -> list[Quote]:
    """A quote of each chunk, in their order: the sentence that has most of the words, from where they stand; its first
    one where none has any."""
    best = await _best(connection, words, await _sentences(connection, chunks))
    best = await _from_the_words(connection, words, best)
    marked = await connection.fetch(SQL["marked"], words, [passage.text for passage in best])
    return [Quote(passage, row["text"]) for passage, row in zip(best, marked, strict=True)]


async def _sentences(connection: Connection, chunks: Sequence[Row]) -> list[list[Passage]]:
    """Of each chunk; the whole of one whose transcript is gone."""
    fields = ("creator_id", "video_id", "transcript_id", "start_seconds", "end_seconds")
    rows = await connection.fetch(SQL["spoken"], *([chunk[field] for chunk in chunks] for field in fields))
    return [
        passages(json.loads(row["segments"] or "[]"), chunk["start_seconds"], chunk["end_seconds"])
        or [Passage(chunk["start_seconds"], chunk["end_seconds"], chunk["body"])]
        for row, chunk in zip(rows, chunks, strict=True)
    ]


async def _best(connection: Connection, words: str, sentences: Sequence[Sequence[Passage]]) -> list[Passage]:
    numbered = [(n, k, one.text) for n, ones in enumerate(sentences) for k, one in enumerate(ones)]
    rows = await connection.fetch(SQL["best_passages"], words, *_columns(numbered, 3))
    return [sentences[row["chunk"]][row["number"]] for row in rows]


async def _from_the_words(connection: Connection, words: str, best: Sequence[Passage]) -> list[Passage]:
    """Long sentences begin where what was looked for stands."""
    numbered = [(n, k, text) for n, passage in enumerate(best) for k, (_, _, text) in enumerate(passage.words)]
    found: list[list[tuple[int, str]]] = [[] for _ in best]
    for row in await connection.fetch(SQL["matches"], words, *_columns(numbered, 3)):
        found[row["passage"]].append((row["number"], row["lexeme"]))
    return [narrowed(one, matches) if one.words else one for one, matches in zip(best, found, strict=True)]


def _columns(rows: Iterable[tuple[object, ...]], count: int) -> list[list[object]]:
    columns: list[list[object]] = [[] for _ in range(count)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns
