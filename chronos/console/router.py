"""All pages, and what they are made with."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from chronos.console import functions, health, log, overview, searching, sending, sessions, usage, videos

PAGES = (overview, videos, sending, searching, functions, log, usage, health, sessions)


def include(app: FastAPI) -> None:
    """Has the app serve the console."""
    for one in PAGES:
        app.include_router(one.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
