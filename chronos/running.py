"""One process at work: functions, the projection, or both, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from chronos.app import topic_ids
from chronos.config import Settings
from chronos.folding import run_projection
from chronos.pipeline import FUNCTIONS
from streams import postgres
from streams.garbage import keep_what_is_here
from streams.kafka import BrokerAway
from streams.stage import Function


async def run(
    settings: Settings,
    functions: Sequence[Function],
    projection: bool,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Runs functions, the projection, or both in this process. The first that fails stops the other.

    While the broker or the database is away at the start, it waits for them.
    """
    if not await _found(settings, stop):
        return

    def begun() -> None:
        keep_what_is_here()
        ready()

    parts = []
    if functions:
        from chronos.working import (
            run_worker,
        )  # Faust, the media and the AI client: 2 s that a projection need not wait

        parts.append(run_worker(settings, functions, stop, (lambda: None) if projection else begun))
    if projection:
        parts.append(run_projection(settings, stop, begun))
    tasks = [asyncio.create_task(part) for part in parts]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.gather(*tasks)


async def _found(settings: Settings, stop: asyncio.Event) -> bool:
    """Waits until the broker and the database answer. False where it was stopped before."""
    looking = asyncio.create_task(postgres.patiently(lambda: _look(settings), away=(BrokerAway, *postgres.AWAY)))
    stopped = asyncio.create_task(stop.wait())
    done, waiting = await asyncio.wait([looking, stopped], return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if looking in done:
        looking.result()
    return looking in done


async def _look(settings: Settings) -> None:
    await topic_ids(settings)
    await (await postgres.connect(settings.database(), most=1)).close()


def functions_named(names: Iterable[str]) -> list[Function]:
    """Functions by name.

    Raises:
        KeyError: names what there is.
    """
    known = {function.name: function for function in FUNCTIONS}
    for name in names:
        if name not in known:
            raise KeyError(f"no function is named {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names]
