"""Single records that a person wants processed again: their partitions' owners take them up, and no offset moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from schemas.event import Coordinates
from streams.journal import Rewind
from streams.kafka import BrokerAway
from streams.postgres import Pool, load_queries
from streams.progress import TopicIds
from streams.reading import LogReader
from streams.record import Record

log = structlog.get_logger()
SQL = load_queries("streams.sql", "chosen.sql")

AT_ONCE = 100  # records a look: other groups' wishes are looked at after it
MOST = 500  # records in a process's hands at once, for each function: live work must find room


@dataclass(frozen=True)
class Wanted:
    """A record that is to be processed again."""

    place: Coordinates
    rewind: Rewind


class Chosen:
    """The wishes, in the journal's schema. Raises when the database is away."""

    def __init__(self, pool: Pool, topic_ids: TopicIds) -> None:
        self._pool, self._ids = pool, topic_ids

    async def ask(self, group: str, places: Sequence[Coordinates], rewind: Rewind) -> None:
        """Who asked before for one of them asks anew."""
        await self._pool.execute(
            SQL["ask"],
            group,
            [self._ids[place.topic][0] for place in places],
            [place.topic for place in places],
            [place.partition for place in places],
            [place.offset for place in places],
            rewind.number,
            rewind.reemit,
        )

    async def open(self, groups: Iterable[str]) -> dict[str, list[Wanted]]:
        """What is still to be done, by group, in the order of the log."""
        found: dict[str, list[Wanted]] = {}
        ids = [topic_id for topic_id, _ in self._ids.values()]
        for row in await self._pool.fetch(SQL["open"], list(groups), ids):
            place = Coordinates(topic=row["topic"], partition=row["partition"], offset=row["offset"])
            found.setdefault(row["group"], []).append(Wanted(place, Rewind(row["number"], row["reemit"])))
        return found

    async def done(self, group: str, wanted: Sequence[Wanted]) -> None:
        """They need no more work under their rewind."""
        await self._pool.execute(
            SQL["done"],
            group,
            [one.place.topic for one in wanted],
            [one.place.partition for one in wanted],
            [one.place.offset for one in wanted],
            [one.rewind.number for one in wanted],
        )


Submit = Callable[[Record, Callable[[], object], Rewind], Callable[[], bool]]
"""Hands a record to the runner; gives what says whether the runner still has it."""


class Again:
    """One function's hands for such records."""

    def __init__(self, group: str, submit: Submit, chosen: Chosen, reader: LogReader) -> None:
        self.group = group
        self._submit, self._chosen, self._reader = submit, chosen, reader
        self._held: dict[Wanted, Callable[[], bool]] = {}
        self._over: list[Wanted] = []

    async def look(self, wanted: Iterable[Wanted], owned: Container[tuple[str, int]]) -> None:
        """Takes up what is wanted of our partitions, and crosses out what is done."""
        self._held = {one: holds for one, holds in self._held.items() if holds()}
        if self._over:
            over = self._over.copy()
            await self._chosen.done(self.group, over)
            self._over = [one for one in self._over if one not in over]
        new = [
            one
            for one in wanted
            if one not in self._held and one not in self._over and (one.place.topic, one.place.partition) in owned
        ]
        try:
            found = await asyncio.to_thread(self._read, new[: min(AT_ONCE, MOST - len(self._held))])
        except BrokerAway as error:  # to be tried again at the next look
            log.warning("records that were asked for cannot be read now", group=self.group, error=str(error))
            return
        for one, record in found:
            if record is None:
                log.warning("a record that was asked for is not on the log", group=self.group, place=str(one.place))
                self._over.append(one)
            else:
                self._held[one] = self._submit(record, partial(self._cross_out, one), one.rewind)

    def _cross_out(self, one: Wanted) -> None:
        self._over.append(one)

    def _read(self, wanted: Sequence[Wanted]) -> list[tuple[Wanted, Record | None]]:
        records: Mapping[Coordinates, Record | None] = self._reader.all_at([one.place for one in wanted])
        return [(one, records[one.place]) for one in wanted]
