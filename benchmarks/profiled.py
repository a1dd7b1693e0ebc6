"""Runs a benchmark's process on uvloop, under cProfile where PROFILE names a prefix for its files."""

from __future__ import annotations

import asyncio
import cProfile
import logging
import os
from collections.abc import Coroutine
from typing import Any

import structlog
import uvloop


def run(main: Coroutine[Any, Any, None], name: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    if profile := os.environ.get("PROFILE"):
        with cProfile.Profile() as profiler:
            runner.run(main)
        profiler.dump_stats(f"{profile}.{name}")
    else:
        runner.run(main)
