"""What every command has from the common options, and how it shows things: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from chronos.config import Settings
    from streams.postgres import Pool

Json = Annotated[bool, typer.Option("--json", help="Print JSON, with names that stay.")]


@dataclass(frozen=True)
class State:
    """The common options."""

    home: Path
    debug: bool

    def settings(self) -> Settings:
        """The environment's settings, completed by the stack that runs in this home."""
        from chronos.config import Settings

        return Settings.load(home=self.home)

    def tables(self) -> AbstractAsyncContextManager[Pool]:
        """Connections that find the projection's tables and the journal."""
        from chronos.sides import projection_pool

        return projection_pool(self.settings(), most=2)


class WrongUse(Exception):
    """What was asked for makes no sense as it was asked: exit code 2."""


class Failed(Exception):
    """The command did what it could, and the answer is no: exit code 1."""


def out() -> Console:
    """For results. Made anew each time: a test or a pipe may have replaced stdout."""
    return Console(highlight=False)


def err() -> Console:
    """For progress and for errors, so that what goes into a pipe is only the result."""
    return Console(stderr=True, highlight=False)


def print_json(said: Any) -> None:
    sys.stdout.write(json.dumps(said, ensure_ascii=False, indent=2) + "\n")


def print_text(said: str) -> None:
    """As it is: no width of a terminal, no colours."""
    sys.stdout.write(said + "\n")


def print_line(said: Any) -> None:
    """One JSON value in one line, for a program that reads along: it is there at once."""
    sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def clock(seconds: float | None) -> str:
    """Seconds as people read them on a player: 83.4 becomes 1:23."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def dollars(micro_usd: int) -> str:
    return f"${micro_usd / 1_000_000:.4f}" if micro_usd else "$0"
