"""Every error that a person can meet, as one line with its remedy. What is unknown here is a bug with its trace."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import typer
from rich.text import Text

from chronos.cli.state import Failed, State, WrongUse, err
from streams.redaction import redact

INTERRUPTED = 130


class OneLine:
    """Ends the block's error in one line on stderr, and the program with a code."""

    def __init__(self, ctx: Any, *, debug: bool) -> None:
        self._ctx, self._debug = ctx, debug

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or isinstance(error, typer.Exit) or self._debug:
            return
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from error
        line = explain(error, self._ctx.obj)
        if line is not None:
            err().print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)
            raise typer.Exit(2 if _wrong_use(error) else 1) from error


def explain(error: BaseException, state: State | None = None) -> str | None:
    """The line for an error, without secrets; None where it is none that we know."""
    line = _line(error, state)
    return None if line is None else redact(line)


def _line(error: BaseException, state: State | None) -> str | None:
    if isinstance(error, (WrongUse, Failed)):
        return str(error)
    from pydantic import ValidationError

    from schemas.avro import explain as fields

    if isinstance(error, ValidationError):
        return f"a setting is wrong: {fields(error)}"
    if isinstance(error, _spoken()):
        return str(error)
    return _database(error, state)


def _wrong_use(error: BaseException) -> bool:
    from pydantic import ValidationError

    from schemas.avro import Undecodable

    return isinstance(error, (WrongUse, Undecodable, ValidationError))


def _spoken() -> tuple[type[BaseException], ...]:
    """Errors whose messages are such a line already."""
    from chronos.config import NotRunning
    from chronos.devstack.errors import DevStackError
    from chronos.letters import AnotherAtWork, NoSuchLetter
    from chronos.queries import NoSuchVideo, RunIsOver
    from schemas.avro import Undecodable, Unreleased
    from streams.kafka import BrokerAway, DeliveryFailed, TooLarge, TopicsMissing
    from streams.retry import Fault

    ours = (NotRunning, DevStackError, NoSuchVideo, RunIsOver, NoSuchLetter, AnotherAtWork, Fault)
    return (*ours, Undecodable, Unreleased, BrokerAway, TopicsMissing, TooLarge, DeliveryFailed)


def _database(error: BaseException, state: State | None) -> str | None:
    """Postgres away, or closed to us."""
    import asyncpg

    from streams.postgres import AWAY

    where = database_of(state)
    if isinstance(error, (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
        return f"the database at {where} refuses us ({error}); check DATABASE_URL"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{error}; create it at {where}, or check DATABASE_URL"
    if isinstance(error, AWAY):
        why = str(error) or type(error).__name__
        return f"the database is away at {where} ({why}); start it, or run `chronos dev`, or check DATABASE_URL"
    return None


def database_of(state: State | None) -> str:
    """Host and port of the database that the command was to use: never its password."""
    url = state.settings().database_url if state else None
    return host(url) if url else "an unknown place"


def host(url: str) -> str:
    """`host:port` of a database's URL."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
