"""Every error that a person can meet, as one line with its remedy. What is not known here is a bug, and keeps its trace."""

from __future__ import annotations

from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import typer

from chronos.cli.state import Failed, WrongUse, err

INTERRUPTED = 130


class OneLine:
    """Ends the block's error in one line on stderr, and the program with a code."""

    def __init__(self, *, debug: bool) -> None:
        self._debug = debug

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or self._debug:
            return
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from error
        line = explain(error)
        if line is not None:
            err().print(f"[bold red]error:[/] {line}", soft_wrap=True, markup=True) if not line else _say(line)
            raise typer.Exit(2 if _wrong_use(error) else 1) from error


def _say(line: str) -> None:
    from rich.text import Text

    err().print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)


def _wrong_use(error: BaseException) -> bool:
    from pydantic import ValidationError

    from schemas.avro import Undecodable

    return isinstance(error, (WrongUse, Undecodable, ValidationError))


def explain(error: BaseException) -> str | None:
    """The line for an error; None where it is none that we know."""
    from pydantic import ValidationError

    from schemas.avro import explain as fields

    if isinstance(error, ValidationError):
        return f"a setting is wrong: {fields(error)}"
    if isinstance(error, _spoken()):
        return str(error)
    return _database(error)


def _spoken() -> tuple[type[BaseException], ...]:
    """Errors whose messages are such a line already."""
    from chronos.config import NotRunning
    from chronos.devstack.errors import DevStackError
    from schemas.avro import Undecodable, Unreleased
    from streams.kafka import BrokerAway, DeliveryFailed, TooLarge, TopicsMissing
    from streams.retry import Fault

    ours = (WrongUse, Failed, NotRunning, DevStackError)
    return (*ours, Undecodable, Unreleased, BrokerAway, TopicsMissing, TooLarge, DeliveryFailed, Fault)


def _database(error: BaseException) -> str | None:
    """Postgres away, closed to us, or without our tables."""
    import asyncpg

    from streams.postgres import AWAY

    if isinstance(error, (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
        return f"the database at {where()} refuses us ({error}); check DATABASE_URL"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{error}; create it at {where()}, or check DATABASE_URL"
    if isinstance(error, AWAY):
        why = str(error) or type(error).__name__
        return f"the database is away at {where()} ({why}); start it, or `chronos dev`, or check DATABASE_URL"
    return None


def where() -> str:
    """Host and port of the database that the current command was to use: never its password."""
    import click

    context = click.get_current_context(silent=True)
    state = context.obj if context else None
    url = state.settings().database_url if state else None
    return host(url) if url else "an unknown place"


def host(url: str) -> str:
    """`host:port` of a URL."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
