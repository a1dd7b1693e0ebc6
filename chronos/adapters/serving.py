"""Decides, in the projection's transaction, which chunk set search uses of each video that was touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chronos.adapters import burying
from projections.embeddings import SPACES
from projections.serving import Choice, Place, Video, choose
from streams.postgres import Connection, Row, load_queries
from streams.projection import Rows
from streams.projector import Batch, Settling

SQL = load_queries("projections.sql", "serve.sql")

_TABLES = ("transcripts", "chunk_sets", "chunks", "embedded_sets", "deleted")


def settling() -> Settling:
    return Settling(lambda batch: map(repr, burying.touched(batch)), admit, decide)


def settling_alone() -> Settling:
    """Without locks, for tables in which nobody else decides: each video would take one in the whole database."""
    return replace(settling(), names=lambda batch: ())


def touched(batch: Batch) -> set[Video]:
    """Videos whose choice may change with this batch."""
    videos = {(key[0], key[1]) for name in _TABLES for key in batch.rows.get(name, {})}
    return videos | {(key[1], key[2]) for key in batch.rows.get("embeddings", {})}


async def admit(connection: Connection, batch: Batch) -> dict[str, Rows]:
    """What of a batch may be written. The lock comes before the first row: who waits for it holds up nobody."""
    await connection.execute(SQL["decide_alone" if batch.rows.get(SPACES.name) else "decide_beside_others"])
    return await burying.admit(connection, batch)


async def decide(connection: Connection, batch: Batch) -> None:
    videos, all_change = touched(batch), bool(batch.rows.get(SPACES.name))
    if all_change:
        videos |= {(row["creator_id"], row["video_id"]) for row in await connection.fetch(SQL["videos_with_sets"])}
    spaces = await connection.fetch(SQL["spaces"]) if videos or all_change else []
    for space in spaces:
        if space["retired_version"] is not None:
            await _drop_retired(connection, space, None if all_change else videos)
    if videos:
        live = [space["space"] for space in spaces if space["live"]]
        await _carry_out(connection, videos, choose(await _places(connection, videos), live))


async def _drop_retired(connection: Connection, space: Row, videos: Iterable[Video] | None) -> None:
    """Removes what stands in a retired space; `videos`: only theirs."""
    retired = (space["space"], space["retired_version"])
    if videos is None:
        await connection.execute(SQL["drop_retired"], *retired, timeout=None)
    else:
        await connection.execute(SQL["drop_retired_of"], *retired, *map(list, zip(*sorted(videos), strict=True)))


async def _places(connection: Connection, videos: Iterable[Video]) -> list[Place]:
    rows = await connection.fetch(SQL["places"], *map(list, zip(*sorted(videos), strict=True)))
    return [
        Place(
            (r["creator_id"], r["video_id"]),
            r["chunk_set_id"],
            r["space"],
            r["place"],
            r["spaces"],
            r["complete"],
            r["gone"],
        )
        for r in rows
    ]


async def _carry_out(connection: Connection, videos: set[Video], choice: Choice) -> None:
    if choice.served:
        rows = sorted((*video, *served) for video, served in choice.served.items())
        await connection.execute(SQL["serve"], *map(list, zip(*rows, strict=True)))
    if gone := sorted(videos - choice.served.keys()):
        await connection.execute(SQL["unserve"], *map(list, zip(*gone, strict=True)))
    if old := [(*place.video, place.chunk_set_id, place.space) for place in choice.old_vectors]:
        await connection.execute(SQL["prune_vectors"], *map(list, zip(*old, strict=True)))
    if choice.old_chunks:
        await connection.execute(SQL["prune_chunks"], *map(list, zip(*choice.old_chunks, strict=True)))
