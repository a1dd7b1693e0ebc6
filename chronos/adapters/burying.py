"""Takes out of the tables what a deletion says, and keeps out of them what comes after it and is older."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from projections.all import TABLES
from projections.deletions import Video, is_about_videos, marks, remaining, videos_of
from streams.postgres import Connection, load_queries
from streams.projection import Rows, Table
from streams.projector import Batch

SQL = load_queries("projections.sql", "deleted.sql")


def touched(batch: Batch) -> set[Video]:
    """Videos of which something is written or deleted: two projectors must not do both at once."""
    return videos_of(TABLES, batch.rows)


async def admit(connection: Connection, batch: Batch) -> dict[str, Rows]:
    """What of a batch may be written. What stands in the tables and is older than its deletions goes."""
    deleted = marks(batch.rows)
    if deleted:
        gone = [(*video, run_id) for video, run_id in sorted(deleted.items())]
        for statement in STATEMENTS:
            await connection.execute(statement, *map(list, zip(*gone, strict=True)))
    return remaining(TABLES, batch.rows, deleted | await _known(connection, touched(batch), deleted))


async def _known(connection: Connection, videos: Iterable[Video], newer: Mapping[Video, str]) -> dict[Video, str]:
    """Deletions that the tables know of, where `newer` has none that is."""
    if not (asked := sorted(videos, key=str)):
        return {}
    rows = await connection.fetch(SQL["marks"], *map(list, zip(*asked, strict=True)))
    found = {(row["creator_id"], row["video_id"]): str(row["run_id"]) for row in rows}
    return {video: run_id for video, run_id in found.items() if run_id > newer.get(video, "")}


def _statements(table: Table) -> Iterator[str]:
    """Identifiers come from the table's declaration, values are parameters."""
    versions = ", ".join(f't."{register}_version"' for register in table.registers)
    named = {"table_name": f'"{table.name}"', "its_versions": versions, "its_registers": ", ".join(_cleared(table))}
    for query in ("rows", "registers") if len(table.registers) > 1 else ("rows",):
        statement = SQL[query]
        for word, identifiers in named.items():
            statement = statement.replace(word, identifiers)
        yield statement


def _cleared(table: Table) -> Iterator[str]:
    for register, columns in table.registers.items():
        version = f"{register}_version"
        for column in (*columns, version):
            yield f'"{column}" = CASE WHEN t."{version}" < uuid_send(gone.run_id) THEN NULL ELSE t."{column}" END'


STATEMENTS = [statement for table in TABLES if is_about_videos(table) for statement in _statements(table)]
