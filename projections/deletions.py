"""deleted: videos that were deleted. What older runs said of them is in no table, whichever of the two comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from schemas.deletion import VideoDeleted
from streams.codec import Received
from streams.identity import to_bytes
from streams.projection import Key, Projection, Put, Registers, Rows, Table, Version

Video = tuple[str, str]

ACCOUNTS = ("usage",)
"""Tables that keep their rows: what a video has cost, and nothing that was said in it."""

DELETED = Table(
    "deleted",
    key={"creator_id": "text", "video_id": "text"},
    registers={"mark": {"run_id": "uuid", "deleted_at": "timestamptz"}},
)


def evolve(received: Received, version: Version) -> Iterator[Put]:
    fact = received.event
    assert isinstance(fact, VideoDeleted)
    mark = (received.run_id, received.at)
    yield Put(DELETED, (fact.creator_id, fact.video_id), "mark", mark, version.at())


def marks(rows: Mapping[str, Rows]) -> dict[Video, str]:
    """The deletions among some rows: the run of each, below which everything goes."""
    return {(key[0], key[1]): registers["mark"][1][0] for key, registers in rows.get(DELETED.name, {}).items()}


def is_about_videos(table: Table) -> bool:
    """Whether its rows go with their video."""
    columns = {*table.key, *(column for register in table.registers.values() for column in register)}
    return "video_id" in columns and table.name not in (*ACCOUNTS, DELETED.name)


def videos_of(tables: Iterable[Table], rows: Mapping[str, Rows]) -> set[Video]:
    """The videos that some rows are of, with those that are deleted in them."""
    found = set(marks(rows))
    for table in filter(is_about_videos, tables):
        whose = _finder(table)
        found.update(whose(key, registers) for key, registers in rows.get(table.name, {}).items())
    return found


def remaining(tables: Iterable[Table], rows: Mapping[str, Rows], deleted: Mapping[Video, str]) -> dict[str, Rows]:
    """What deletions leave of rows: registers of the same or a newer run, and rows that have one. Pure."""
    left = dict(rows)
    limits = {video: to_bytes(run_id) for video, run_id in deleted.items()}
    for table in filter(is_about_videos, tables if limits else ()):
        if table.name in left:
            whose = _finder(table)
            kept = {
                key: _newer(registers, limits.get(whose(key, registers), b""))
                for key, registers in left[table.name].items()
            }
            left[table.name] = {key: registers for key, registers in kept.items() if registers}
    return left


def _newer(registers: Registers, limit: bytes) -> Registers:
    """A version begins with its run."""
    return {name: standing for name, standing in registers.items() if standing[0] >= limit}


def _finder(table: Table) -> Callable[[Key, Registers], Video]:
    """Whose a row is: by its key, or, where that is an event's, by what the row says."""
    if "video_id" in table.key:
        creator, video = (list(table.key).index(name) for name in ("creator_id", "video_id"))
        return lambda key, registers: (key[creator], key[video])
    [(register, columns)] = table.registers.items()
    creator, video = (list(columns).index(name) for name in ("creator_id", "video_id"))
    return lambda key, registers: (registers[register][1][creator], registers[register][1][video])


PROJECTION = Projection("deletions", (DELETED,), (VideoDeleted,), evolve)
