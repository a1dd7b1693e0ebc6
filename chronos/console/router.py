"""All pages, and what they are made with."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from chronos.console import (
    changing,
    failures,
    functions,
    health,
    letters,
    log,
    overview,
    rewinding,
    searching,
    sending,
    sessions,
    usage,
    videos,
)  # fmt: skip

PAGES = (
    overview, videos, changing, sending, searching, functions, failures, letters, rewinding, log, usage, health,
    sessions,
)  # fmt: skip


def include(app: FastAPI) -> None:
    """Has the app serve the console."""
    for one in PAGES:
        app.include_router(one.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
