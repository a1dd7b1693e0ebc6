"""A worker process: functions, the projection, or both, until a signal asks it to end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from chronos import logs
from chronos.app import functions_named, run_projection, run_worker
from chronos.config import Settings
from chronos.pipeline import FUNCTIONS
from streams.stage import Function

log = structlog.get_logger()

Part = Callable[[asyncio.Event, Callable[[], None]], Coroutine[Any, Any, None]]


def work(settings: Settings, names: Sequence[str], *, projection: bool, ready_file: Path | None) -> None:
    """Works until SIGTERM or Ctrl-C, then ends what it has in hand.

    Args:
        names: the functions; all, where nothing at all is chosen.
        ready_file: is written when everything has its consumers.

    Raises:
        KeyError: a name is none of ours.
    """
    everything = not names and not projection
    functions = list(FUNCTIONS) if everything else functions_named(names)
    logs.set_up()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_all(settings, functions, projection or everything, ready_file))


async def _all(settings: Settings, functions: Sequence[Function], projection: bool, ready_file: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    parts: dict[str, Part] = {}
    if functions:
        parts["functions"] = lambda end, ready: run_worker(settings, functions, end, ready)
    if projection:
        parts["projection"] = lambda end, ready: run_projection(settings, end, ready)
    doing = [function.name for function in functions] + ["projection"] * projection
    await _side_by_side(list(parts.values()), stop, lambda: _ready(doing, ready_file))
    log.info("ended", working=doing)


async def _side_by_side(parts: Sequence[Part], stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """The first part that fails stops the others, and its error is raised when they have ended."""
    waiting = len(parts)

    def one_ready() -> None:
        nonlocal waiting
        waiting -= 1
        if waiting == 0:
            ready()

    tasks = [asyncio.create_task(part(stop, one_ready)) for part in parts]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()


def _ready(doing: Sequence[str], file: Path | None) -> None:
    log.info("working", working=list(doing), pid=os.getpid())
    if file is not None:
        file.write_text(f"{os.getpid()}\n")
