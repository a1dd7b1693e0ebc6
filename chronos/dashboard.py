"""The stack as `chronos dev` shows it in a terminal: where it listens, who works, how far behind, the last videos."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chronos import broker, queries, sides
from chronos.app import cluster
from chronos.cli.videos import videos_table
from chronos.config import Settings
from chronos.pipeline import EVENTS, FUNCTIONS
from chronos.sides import projection_pool
from streams.kafka import BrokerAway
from streams.postgres import AWAY, Pool

LOOK = 2.0  # seconds between looks: one costs some ten requests to the broker
VIDEOS = 5


def groups(projection: str) -> list[tuple[str, list[str]]]:
    """The groups that are shown, with their topics: the functions', and that of the side that is looked at."""
    functions = [(function.group(), [event.name for event in function.consumes]) for function in FUNCTIONS]
    return [*functions, (projection, [event.name for event in EVENTS])]


@dataclass(frozen=True)
class Seen:
    """What was found at the last look."""

    groups: tuple[broker.Group, ...] = ()
    videos: tuple[dict[str, Any], ...] = ()
    trouble: str = ""


@contextmanager
def shown_live(settings: Settings, console: Console, page: str) -> Iterator[Callable[[str], None]]:
    """While the block runs, a table is kept up to date; gives what prints a line above it."""
    looker = Looker(settings)
    places = {
        "Console": page,
        "Kafka": settings.kafka(),
        "Postgres": settings.database().split("@")[-1],
        "AI": settings.openai_base_url or "OpenAI",
    }
    shown = partial(table, places)
    with looker, Live(console=console, get_renderable=lambda: shown(looker.seen), refresh_per_second=2) as live:
        yield lambda line: live.console.print(line, style="yellow", markup=False)


def table(places: Mapping[str, str], seen: Seen) -> RenderableType:
    """Where things listen, functions, videos, and what keeps us from seeing more."""
    services = Table.grid(padding=(0, 2))
    for name, place in places.items():
        services.add_row(Text(name, "bold"), Text(place))
    working = Table("function", "workers", "behind", box=None, header_style="bold")
    for group in seen.groups:
        members = Text(f"{group.members} running" if group.members else "none", "green" if group.members else "red")
        working.add_row(group.name.removeprefix("chronos."), members, f"{group.lag:,}")
    parts: list[RenderableType] = [services, "", working if seen.groups else "looking …"]
    parts += ["", videos_table(list(seen.videos)) if seen.videos else "no videos yet"]
    return Group(*parts, *([Text(seen.trouble, "red")] if seen.trouble else []))


class Looker:
    """Looks now and then, in a thread with a loop of its own, since the supervisor's thread has processes to watch."""

    def __init__(self, settings: Settings) -> None:
        self.seen = Seen()
        self._settings = settings
        self._broker = broker.Broker(cluster(settings))
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._look_again_and_again())
        self._thread = threading.Thread(target=self._run, name="dashboard", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(broker.SECONDS)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                async with projection_pool(self._settings, most=1) as pool:
                    while True:
                        self.seen = await self._look(pool)
                        await asyncio.sleep(LOOK)
            except (BrokerAway, *AWAY) as error:
                self.seen = replace(self.seen, trouble=str(error) or type(error).__name__)
                await asyncio.sleep(LOOK)

    async def _look(self, pool: Pool) -> Seen:
        found = await asyncio.to_thread(self._broker.groups, groups(await sides.active_group(pool)))
        return Seen(tuple(found), tuple(await queries.videos(pool, most=VIDEOS)))
