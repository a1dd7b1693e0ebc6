"""The tables of the system that was replaced (videos, transcripts, chunks with their vectors), read as they are."""

from __future__ import annotations

import json
import re
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg

from schemas.transcription import TranscriptSegment
from streams.postgres import Connection, Row, load_queries
from streams.redaction import keep_secret

SQL = load_queries("chronos.sql", "old_system.sql")

BATCH = 100  # videos that are read at once: their vectors are some 10 MB

Names = Mapping[str, Mapping[str, str]]

USUAL: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "videos": {
        "table": ("videos",),
        "id": ("id",),
        "creator": ("creator_id", "user_id", "owner_id"),
        "title": ("title",),
        "path": ("storage_path", "file_path", "path"),
        "filename": ("original_filename", "filename", "file_name"),
        "duration": ("duration", "duration_seconds"),
        "status": ("status",),
        "created": ("created_at",),
    },
    "transcripts": {
        "table": ("transcripts", "transcriptions"),
        "video": ("video_id",),
        "text": ("text", "content", "transcript"),
        "segments": ("segments",),
        "language": ("language",),
        "model": ("model",),
        "created": ("created_at",),
    },
    "chunks": {
        "table": ("chunks", "transcript_chunks", "video_chunks"),
        "video": ("video_id",),
        "index": ("chunk_index", "index"),
        "text": ("content", "text"),
        "start": ("start_time", "start_seconds"),
        "end": ("end_time", "end_seconds"),
        "tokens": ("token_count", "tokens"),
        "vector": ("embedding",),
    },
}
"""What tables and columns are mostly called; the first that is there counts. Others are named by the operator."""

OPTIONAL = {"title", "filename", "duration", "status", "created", "segments", "language", "model", "tokens"}

STARTS, ENDS = ("start", "start_time", "startTime", "startSeconds"), ("end", "end_time", "endTime", "endSeconds")


class NoOldSystem(Exception):
    """The old database does not answer, or its tables are not as they were said to be."""


class Unreadable(Exception):
    """A row makes no sense."""


@dataclass(frozen=True)
class OldTranscript:
    text: str
    segments: tuple[TranscriptSegment, ...]  # none: nothing is known of when what was said
    language: str | None
    model: str | None


@dataclass(frozen=True)
class OldChunk:
    text: str
    start: float | None
    end: float | None
    tokens: int | None
    vector: bytes | None  # float32, little-endian


@dataclass(frozen=True)
class OldVideo:
    """A video with all that belongs to it. `unreadable`: why its transcript makes no sense."""

    id: str
    creator: str
    title: str | None
    path: str | None
    filename: str | None
    status: str | None
    duration: float | None
    created: datetime
    transcript: OldTranscript | None = None
    chunks: tuple[OldChunk, ...] = ()
    unreadable: str | None = None


class OldSystem:
    """Its tables, in one snapshot."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._names = connection, names

    async def count(self) -> int:
        return int(await self._connection.fetchval(named(SQL["count"], self._names)))

    async def videos(self, batch: int = BATCH) -> AsyncIterator[list[OldVideo]]:
        cursor = await self._connection.cursor(named(SQL["videos"], self._names))
        while rows := await cursor.fetch(batch):
            yield await self._whole(rows)

    async def _whole(self, rows: Sequence[Row]) -> list[OldVideo]:
        ids = [row["id"] for row in rows]
        spoken = await self._connection.fetch(named(SQL["transcripts"], self._names), ids)
        chunks: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in await self._connection.fetch(named(SQL["chunks"], self._names), ids):
            chunks[row["video"]].append(dict(row))
        transcripts = {row["video"]: dict(row) for row in spoken}
        return [video(dict(row), transcripts.get(row["id"]), chunks[row["id"]]) for row in rows]


@asynccontextmanager
async def opened(url: str, given: Names) -> AsyncIterator[OldSystem]:
    """The old database, which is only read.

    Raises:
        NoOldSystem: it does not answer, or lacks a table or a column.
    """
    keep_secret(unquote(urlsplit(url).password or ""))
    try:  # no statement cache: a pooler in transaction mode may stand before it
        connection = await asyncpg.connect(url, timeout=10, statement_cache_size=0)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NoOldSystem(f"the old database does not answer: {error or type(error).__name__}; check --from") from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield OldSystem(connection, await _found(connection, checked(given)))
    except asyncpg.DataError as error:
        raise NoOldSystem(f"the old tables hold what was not expected: {error}; see --columns") from error
    finally:
        await connection.close(timeout=5)


def checked(given: Any) -> Names:
    """What an operator says of the old names.

    Raises:
        NoOldSystem: it is not {"videos": {"creator": "owner"}} and the like.
    """
    tables = given.items() if isinstance(given, dict) else [("", {})]
    for table, columns in tables:
        if table not in USUAL or not isinstance(columns, dict) or not all(isinstance(c, str) for c in columns.values()):
            raise NoOldSystem(f'--columns takes {{"videos": {{"creator": "owner"}}}}; tables: {", ".join(USUAL)}')
        if unknown := columns.keys() - USUAL[table].keys():
            raise NoOldSystem(
                f"--columns: {table} has no {', '.join(sorted(unknown))}; {', '.join(USUAL[table])} it has"
            )
    return dict(given)


async def _found(connection: Connection, given: Names) -> Names:
    """What everything is called there."""
    found: dict[str, Mapping[str, str]] = {}
    for table in USUAL:
        said = given.get(table, {})
        for name in [said["table"]] if "table" in said else USUAL[table]["table"]:
            if rows := await connection.fetch(SQL["columns"], quoted(name)):
                found[table] = {"table": name, **columns_of(table, said, {row["name"] for row in rows})}
                break
        else:
            raise NoOldSystem(
                f'the old database has no table of {table}: name it, --columns \'{{"{table}": {{"table": …}}}}\''
            )
    return found


def columns_of(table: str, said: Mapping[str, str], there: set[str]) -> dict[str, str]:
    """The column for each thing of a table; none for what is not there and need not be. Pure.

    Raises:
        NoOldSystem: what is needed is not there.
    """
    found = {}
    for thing, usual in USUAL[table].items():
        names = [said[thing]] if thing in said else usual
        name = next((name for name in names if name in there), None)
        if name is not None:
            found[thing] = name
        elif thing != "table" and (thing in said or thing not in OPTIONAL):
            raise NoOldSystem(
                f"the old {table} have no column {' or '.join(names)} (they have {', '.join(sorted(there))}): "
                f'name it, --columns \'{{"{table}": {{"{thing}": …}}}}\''
            )
    return found


def named(sql: str, names: Names) -> str:
    """The statement with the old system's names, quoted; a column that is not there is NULL. Pure."""

    def column(match: re.Match[str]) -> str:
        name = names[match[2]].get(match[3])
        return "NULL" if name is None else f"{match[1]}.{quoted(name)}"

    sql = re.sub(r'(\w)\.:"(\w+)\.(\w+)"', column, sql)
    return re.sub(r':"(\w+)"', lambda match: quoted(names[match[1]]["table"]), sql)


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever is in it; a table's may have its schema before it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def video(row: Mapping[str, Any], spoken: Mapping[str, Any] | None, chunks: Sequence[Mapping[str, Any]]) -> OldVideo:
    """Pure."""
    transcript, why = None, None
    try:
        transcript = _transcript(spoken) if spoken else None
    except Unreadable as error:
        why = str(error)
    created = row["created"] or datetime.fromtimestamp(0, UTC)
    kept = {name: row[name] for name in ("id", "title", "path", "filename", "status", "duration")}
    whole = tuple(_chunk(chunk) for chunk in chunks)
    return OldVideo(
        **kept, creator=row["creator"] or "", created=created, transcript=transcript, chunks=whole, unreadable=why
    )


def _transcript(row: Mapping[str, Any]) -> OldTranscript:
    parts = json.loads(row["segments"] or "[]")
    if not isinstance(parts, list):
        raise Unreadable("its segments are no list")
    segments = tuple(_segment(part) for part in parts)
    text = row["text"] or " ".join(segment.text for segment in segments)
    return OldTranscript(text, segments, row["language"], row["model"])


def _segment(part: Any) -> TranscriptSegment:
    """A passage as speech to text gives it: start and end in seconds, and what was said."""
    try:
        start, end = (float(next(part[name] for name in names if name in part)) for names in (STARTS, ENDS))
        return TranscriptSegment(start=start, end=max(start, end), text=part["text"].strip())
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise Unreadable(f"a segment is {str(part)[:80]!r}, and not start, end and text") from error


def _chunk(row: Mapping[str, Any]) -> OldChunk:
    vector = row["vector"]
    packed = struct.pack(f"<{len(vector)}f", *vector) if vector else None
    return OldChunk(row["text"] or "", row["start"], row["end"], row["tokens"], packed)
