"""How far each group has come in each partition, and the number of its last rewind: this tells a rewind from a crash.

Any tool can move a group's offset on the broker. Here stands where we saw it last, so that an offset below that is a
rewind: it gets a number, and what failed under an older number is tried anew. A person's wish to be elsewhere stands
here as well, until the partition's owner has gone there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from streams.postgres import Pool, Row, load_queries

SQL = load_queries("streams.sql", "progress.sql")

P = TypeVar("P", bound=tuple[str, int])  # topic, partition
TopicIds = Mapping[str, tuple[str, int]]  # topic -> (UUID, partitions)


class TopicReplaced(Exception):
    """A topic was made anew or has grown since a group worked on it: its offsets mean something else now."""


@dataclass(frozen=True)
class Wish:
    """Where a person wants a group to be."""

    offset: int
    number: int  # of the rewind
    reemit: bool


@dataclass(frozen=True)
class Known:
    """What is known of a group in a partition."""

    next_offset: int | None  # as it was last seen on the broker
    number: int
    reemit: bool
    wish: Wish | None = None


@dataclass(frozen=True)
class Standing:
    """Where reading begins, and under which rewind."""

    offset: int | None  # None: at the beginning of the log
    number: int = 0
    reemit: bool = False
    how: Literal["new", "same", "wanted", "reset", "restored"] = "same"


def stand(known: Known | None, committed: int | None, number: int) -> Standing:
    """Where a group stands in a partition that it was given. `number` is free for a rewind that is found out here."""
    if known is None:
        return Standing(committed, how="new")
    if known.wish is not None:
        return Standing(known.wish.offset, known.wish.number, known.wish.reemit, "wanted")
    if committed is None and known.next_offset is not None:  # the broker forgot the group, or its topic
        return Standing(known.next_offset, known.number, known.reemit, "restored")
    if committed is not None and known.next_offset is not None and committed < known.next_offset:
        return Standing(committed, number, False, "reset")
    return Standing(committed, known.number, known.reemit)


class Progress:
    """The progress of all groups, in the journal's schema. Raises when the database is away."""

    def __init__(self, pool: Pool, topic_ids: TopicIds) -> None:
        self._pool, self._ids = pool, topic_ids

    async def check(self, groups: Iterable[str]) -> None:
        """
        Raises:
            TopicReplaced: with the remedy.
        """
        for group, topic in await self.replaced(groups):
            raise TopicReplaced(
                f"topic {topic} was made anew or has grown since {group} worked on it: say where it shall begin, "
                f"e.g. `chronos rewind {group} --to-earliest --execute`"
            )

    async def replaced(self, groups: Iterable[str]) -> list[tuple[str, str]]:
        """Groups, each with a topic that was made anew or has grown since it worked on it."""
        rows = await self._pool.fetch(SQL["topics"], list(groups))
        known = [(row["group"], row["topic"], (row["topic_id"], row["partitions"])) for row in rows]
        return [(group, topic) for group, topic, then in known if self._ids.get(topic, then) != then]

    async def stand(self, group: str, committed: Mapping[P, int | None]) -> dict[P, Standing]:
        """Where a group stands in the partitions that it was given. Nothing is written: see `note`."""
        rows = await self._pool.fetch(SQL["known"], group, self._topic_ids(committed))
        known = {(row["topic"], row["partition"]): _known(row) for row in rows}
        number = 0
        if any(stand(known.get(place), offset, 0).how == "reset" for place, offset in committed.items()):
            number = await self.number()
        return {place: stand(known.get(place), offset, number) for place, offset in committed.items()}

    async def note(self, group: str, standings: Mapping[P, Standing]) -> None:
        """Keeps where a group stands, now that the broker knows it too. Wishes that it fulfils are over."""
        places = list(standings)
        await self._pool.execute(
            SQL["note"],
            group,
            self._topic_ids(places),
            [topic for topic, _ in places],
            [partition for _, partition in places],
            [self._ids[topic][1] for topic, _ in places],
            [standings[place].offset for place in places],
            [standings[place].number for place in places],
            [standings[place].reemit for place in places],
        )

    async def moved(self, group: str, offsets: Mapping[P, int], numbers: Mapping[P, int]) -> None:
        """Keeps what was committed under these rewinds. Nothing is moved back, nor under a later rewind."""
        places = list(offsets)
        columns = (
            self._topic_ids(places),
            [partition for _, partition in places],
            [offsets[place] for place in places],
            [numbers[place] for place in places],
        )
        await self._pool.execute(SQL["moved"], group, *columns)

    async def wanted(self, groups: Iterable[str]) -> dict[str, dict[tuple[str, int], Wish]]:
        """Wishes that are still open, by group."""
        found: dict[str, dict[tuple[str, int], Wish]] = {}
        for row in await self._pool.fetch(SQL["wanted"], list(groups)):
            found.setdefault(row["group"], {})[row["topic"], row["partition"]] = _wish(row)
        return found

    async def numbers(self, group: str, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The last rewind of each partition."""
        rows = await self._pool.fetch(SQL["known"], group, self._topic_ids(places))
        return {(row["topic"], row["partition"]): row["number"] for row in rows}

    async def number(self) -> int:
        """A number for a rewind, greater than all before."""
        return int(await self._pool.fetchval(SQL["number"]))

    async def want(self, group: str, offsets: Mapping[P, int], number: int, *, reemit: bool) -> None:
        """Asks the owners of partitions to go elsewhere. What was known of older topics of their names is forgotten."""
        places = list(offsets)
        topics = sorted({topic for topic, _ in places})
        ids, counts = [self._ids[topic][0] for topic in topics], [self._ids[topic][1] for topic in topics]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["forget_older"], group, ids, topics)
            await connection.execute(SQL["recount"], group, ids, counts)
            await connection.execute(
                SQL["want"],
                group,
                self._topic_ids(places),
                [topic for topic, _ in places],
                [partition for _, partition in places],
                [self._ids[topic][1] for topic, _ in places],
                [offsets[place] for place in places],
                number,
                reemit,
            )

    async def withdraw(self, group: str, number: int) -> None:
        """Takes back what is still open of a rewind."""
        await self._pool.execute(SQL["withdraw"], group, number)

    def _topic_ids(self, places: Iterable[tuple[str, int]]) -> list[str]:
        return [self._ids[topic][0] for topic, _ in places]


def _known(row: Row) -> Known:
    wish = _wish(row) if row["wanted_offset"] is not None else None
    return Known(row["next_offset"], row["number"], row["reemit"], wish)


def _wish(row: Row) -> Wish:
    return Wish(row["wanted_offset"], row["wanted_number"], row["wanted_reemit"])
