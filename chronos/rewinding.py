"""chronos rewind: a planned rewind is carried out, by the group's running workers or from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chronos import app, operations
from chronos.config import Settings
from chronos.offsets import Place
from chronos.planning import Plan, journal_pool
from chronos.replaced import forget_older
from chronos.sides import is_projection
from streams.chosen import Chosen
from streams.journal import Rewind
from streams.kafka import BrokerAway
from streams.progress import Progress, Standing, Wish
from streams.reading import place_outside

PATIENCE = 60.0  # seconds for the owners of partitions: their running work has 20 to end
LOOK = 0.2


class NotMoved(Exception):
    """The group could not be brought to where it should be."""


@dataclass
class Outcome:
    """What became of a plan."""

    number: int
    moved: int  # partitions
    live: bool  # running workers went there; else the group was stopped
    asked: int = 0  # single records that are asked for

    def to_json(self) -> dict[str, Any]:
        return {"rewind": self.number, "partitions": self.moved, "live": self.live, "asked": self.asked}


async def execute(settings: Settings, planned: Plan, *, reason: str | None, patience: float = PATIENCE) -> Outcome:
    """Brings the group to where the plan says: by its running workers, or from outside where it has none. What was
    chosen by question is left for the workers to take up.

    Raises:
        NotMoved: some partitions are not there; the wish was withdrawn.
    """
    ids = await app.topic_ids(settings)
    async with journal_pool(settings) as pool:
        progress = Progress(pool, ids)
        number = await progress.number()
        if planned.chosen is not None:
            await Chosen(pool, ids).ask(planned.group, planned.chosen, Rewind(number, planned.reemit))
            outcome = Outcome(number, 0, True, len(planned.chosen))
        else:
            if is_projection(planned.group):
                await forget_older(settings)
            await progress.want(planned.group, planned.targets, number, reemit=planned.reemit)
            try:
                outcome = await _fulfil(settings, progress, planned, number, patience)
            except BaseException:  # nobody must find it fulfilled tomorrow
                await progress.withdraw(planned.group, number)
                raise
    await operations.tell(settings, "rewind", planned.group, reason, planned.to_json(), outcome.to_json())
    return outcome


async def _fulfil(settings: Settings, progress: Progress, planned: Plan, number: int, patience: float) -> Outcome:
    deadline = time.monotonic() + patience
    live = True
    while left := await _open(progress, planned.group, number):
        if await _placed(settings, planned.group, left):
            live = False
            standing = {p: Standing(offset, number, planned.reemit, "wanted") for p, offset in left.items()}
            await progress.note(planned.group, standing)
            break
        if time.monotonic() > deadline:
            places = ", ".join(f"{topic}/{partition}" for topic, partition in sorted(left))
            raise NotMoved(
                f"after {patience:.0f} s the workers of {planned.group} had not moved {places}; "
                "that wish was withdrawn. See their logs, or stop them and try again"
            )
        await asyncio.sleep(LOOK)
    numbers = await progress.numbers(planned.group, planned.moves)
    if any(numbers.get(place) != number for place in planned.moves):
        raise NotMoved(f"another rewind of {planned.group} came in between: this one ({number}) was not carried out")
    return Outcome(number, len(planned.moves), live)


async def _placed(settings: Settings, group: str, left: Mapping[Place, int]) -> bool:
    """Whether the group had no members, and is there now. A coordinator that does not answer yet is asked again."""
    try:
        return await asyncio.to_thread(place_outside, app.cluster(settings), group, left)
    except BrokerAway:
        return False


async def _open(progress: Progress, group: str, number: int) -> dict[Place, int]:
    """What nobody has moved yet."""
    wishes: Mapping[Place, Wish] = (await progress.wanted([group])).get(group, {})
    return {place: wish.offset for place, wish in wishes.items() if wish.number == number}
