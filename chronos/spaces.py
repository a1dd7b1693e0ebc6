"""Embedding spaces: which there are, which one search uses, and how that changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from chronos import app, cancelling, operations
from chronos.config import Settings
from chronos.embedders import Embedders, NoSuchSpace, parts_of
from chronos.sending import Sender, sender
from schemas.embedding import ChunkRequested
from schemas.event import Coordinates, Fact
from schemas.spaces import SpaceActivated, SpaceRegistered, SpaceRetired
from streams.codec import Codec
from streams.postgres import Pool, load_queries
from streams.reading import LogReader, LogScan

log = structlog.get_logger()

SQL = load_queries("projections.sql", "spaces.sql")

PATIENCE = 30.0  # seconds for the projection to fold what was said
LOOK = 0.05


class NotFolded(Exception):
    """The projection does not do what was said: it is on the log, and will be done."""


@dataclass(frozen=True)
class Space:
    """One model and dimension, and what there is of it."""

    name: str
    state: str  # active, before (search falls back on it), building, retired
    videos: int  # with a complete set
    served: int  # videos that search serves from it
    vectors: int
    activated_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        model, dimensions = parts_of(self.name)
        return {
            "space": self.name,
            "model": model,
            "dimensions": dimensions,
            "state": self.state,
            "videos": self.videos,
            "served": self.served,
            "vectors": self.vectors,
            "activatedAt": self.activated_at.isoformat() if self.activated_at else None,
        }


async def known(pool: Pool) -> list[Space]:
    """All spaces, the active one first, then those before it."""
    found: list[Space] = []
    for row in await pool.fetch(SQL["list"]):
        if row["state"] == "retired":
            state = "retired"
        elif not row["activated"]:
            state = "building"
        else:
            state = "before" if any(space.state == "active" for space in found) else "active"
        counts = (row["videos"], row["served"], row["vectors"])
        found.append(Space(row["space"], state, *counts, row["activated_at"]))
    return found


def active_of(spaces: list[Space]) -> Space | None:
    return next((space for space in spaces if space.state == "active"), None)


async def ensure_space(settings: Settings, embedders: Embedders, codec: Codec, sender: Sender) -> None:
    """Registers and activates the space of the settings where there is none yet, or where the active one's model is not
    allowed here. The log is asked, and not the tables: they may be empty for a while, and nobody's switch must be
    undone."""
    partitions = await app.partitions(settings, [SpaceActivated.name])
    active = await asyncio.to_thread(_activated_last, LogScan(app.cluster(settings)), partitions, codec)
    if active is not None and embedders.allows(active):
        if active != embedders.default:
            remedy = f"chronos embeddings build {embedders.default}, then chronos embeddings switch"
            log.warning("search uses another embedding space than the settings name", space=active, remedy=remedy)
        return
    why = "the settings name it" + (f"; the one before, {active}, is not allowed here" if active else "")
    await sender.send(_registered(embedders.default, "worker", why))
    await sender.send(SpaceActivated(space=embedders.default, by="worker", why=why))
    log.info("embedding space activated", space=embedders.default, why=why)


def _activated_last(scan: LogScan, partitions: Mapping[str, int], codec: Codec) -> str | None:
    ends = scan.ends(partitions)
    until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
    records = [record for batch in scan.read(until, begins) for record in batch]
    last = max(records, key=lambda record: record.timestamp_ms, default=None)
    return codec.read(last).event.subject() if last else None


def _registered(space: str, by: str, why: str) -> SpaceRegistered:
    model, dimensions = parts_of(space)
    return SpaceRegistered(space=space, model=model, dimensions=dimensions, by=by, why=why)


async def register(settings: Settings, pool: Pool, space: str, reason: str | None) -> None:
    """Has new videos embedded in a space too, from now on; nothing where they are already.

    Raises:
        NoSuchSpace: its name makes no sense, or its model is not allowed here.
    """
    if not Embedders(settings).allows(space):
        raise NoSuchSpace(
            f"the model of {space} has no price here: give it in CHRONOS_EMBEDDING_PRICES, millionths of a dollar a "
            f'million tokens, e.g. {{"{parts_of(space)[0]}": 20000}}, for the workers too'
        )
    if any(one.name == space and one.state != "retired" for one in await known(pool)):
        return
    await _say(settings, _registered(space, operations.operator(), reason or ""))
    await _folded(f"{space} is registered", lambda: _has_state(pool, space, "registered"))


async def switch(settings: Settings, space: str, reason: str | None) -> str | None:
    """Has search use a space from now on; gives the one before. Videos without a set in it stay where they are.

    Raises:
        NoSuchSpace, NotFolded.
    """
    async with app.projection_pool(settings, most=1) as pool:
        spaces = await known(pool)
        active = active_of(spaces)
        one_of(spaces, space)
        if active is not None and active.name == space:
            raise NoSuchSpace(f"search uses {space} already")
        await _activate(settings, pool, space, reason)
    before = active.name if active else None
    await operations.tell(settings, "embeddings switch", space, reason, {"from": before}, {"to": space})
    return before


async def rollback(settings: Settings, reason: str | None) -> str:
    """Has search use the space before the last switch; gives its name.

    Raises:
        NoSuchSpace: there is none; NotFolded.
    """
    async with app.projection_pool(settings, most=1) as pool:
        spaces = await known(pool)
        before = next((space.name for space in spaces if space.state == "before"), None)
        if before is None:
            raise NoSuchSpace("there is nothing to go back to: there was no switch, or the space before was dropped")
        await _activate(settings, pool, before, reason)
    await operations.tell(settings, "embeddings rollback", before, reason, {"from": spaces[0].name}, {"to": before})
    return before


async def drop(settings: Settings, space: str, reason: str | None) -> None:
    """Retires a space that search does not use first: its vectors go, and nothing is embedded for it any more.

    Raises:
        NoSuchSpace: it is the active one, or there is none of that name; NotFolded.
    """
    async with app.projection_pool(settings, most=1) as pool:
        if one_of(await known(pool), space).state == "active":
            raise NoSuchSpace(f"search uses {space}: `chronos embeddings switch` to another one first")
        await _say(settings, SpaceRetired(space=space, by=operations.operator(), why=reason or ""))
        called_off = await _call_off(settings, pool, space)
        await _folded(f"{space} is retired", lambda: _has_state(pool, space, "retired"))
    await operations.tell(settings, "embeddings drop", space, reason, {}, {"calledOff": called_off})


async def _call_off(settings: Settings, pool: Pool, space: str) -> int:
    """Ends the requests that wait to be embedded for this space alone; gives how many those were."""
    rows = await pool.fetch(SQL["open_requests"])
    places = {row: Coordinates(topic=row["topic"], partition=row["partition"], offset=row["offset"]) for row in rows}
    records = await asyncio.to_thread(LogReader(app.cluster(settings)).all_at, list(places.values()))
    codec = app.codec(await app.topic_ids(settings))
    events = {row: codec.read(record).event for row, place in places.items() if (record := records[place])}
    runs = [
        cancelling.Run(row["creator_id"], row["video_id"], str(row["run_id"]))
        for row, event in events.items()
        if isinstance(event, ChunkRequested) and event.embedding_model == space
    ]
    await cancelling.call_off(settings, runs, f"embedding space {space} is dropped")
    return len(runs)


def one_of(spaces: list[Space], name: str) -> Space:
    for space in spaces:
        if space.name == name and space.state != "retired":
            return space
    names = ", ".join(space.name for space in spaces if space.state != "retired") or "none"
    raise NoSuchSpace(f"no embedding space {name!r} is in use ({names}): `chronos embeddings build` fills another")


async def _activate(settings: Settings, pool: Pool, space: str, reason: str | None) -> None:
    async def is_active() -> bool:
        active = active_of(await known(pool))
        return active is not None and active.name == space

    await _say(settings, SpaceActivated(space=space, by=operations.operator(), why=reason or ""))
    await _folded(f"search uses {space}", is_active)


async def _has_state(pool: Pool, space: str, state: str) -> bool:
    return {row["space"]: row["state"] for row in await pool.fetch(SQL["states"])}.get(space) == state


async def _say(settings: Settings, fact: Fact) -> None:
    async with sender(app.cluster(settings), await app.topic_ids(settings), "operator") as send:
        await send.send(fact)


async def _folded(what: str, is_so: Callable[[], Awaitable[bool]]) -> None:
    """Waits until the tables say so.

    Raises:
        NotFolded.
    """
    deadline = time.monotonic() + PATIENCE
    while not await is_so():
        if time.monotonic() > deadline:
            raise NotFolded(
                f"the tables do not say yet that {what}: it is on the log, and comes when the projection is there; "
                "start `chronos worker --projection`, or check this machine's clock against the others'"
            )
        await asyncio.sleep(LOOK)
