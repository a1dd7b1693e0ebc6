"""Every error that a person can meet, as one line with its remedy; what nobody foresaw, as one line too."""

from __future__ import annotations

import errno
import sys
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import typer
from rich.text import Text

from chronos.cli.state import State, err

INTERRUPTED = 130

START = "start it, or run `chronos dev`, or check "
BROKER = START + "KAFKA_BOOTSTRAP_SERVERS"

SPOKEN = {
    "chronos.api.keys.BadKey": "",
    "chronos.api.keys.KeysMissing": "",
    "chronos.browsing.NoSuchTopic": "",
    "chronos.choosing.NothingMeant": "",
    "chronos.cli.state.WrongUse": "",
    "chronos.cli.state.Failed": "",
    "chronos.budgeting.BadBudget": "",
    "chronos.conditions.BadCondition": "",
    "chronos.comparing.TooDifferent": "",
    "chronos.config.NotRunning": "",
    "chronos.costs.TooMuch": "",
    "chronos.deleting.NotGone": "",
    "chronos.devstack.errors.DevStackError": "",
    "chronos.embedders.NoSuchSpace": "",
    "chronos.exporting.TooFewChapters": "",
    "chronos.house.NotOurs": "",
    "chronos.importing.OtherSettings": "",
    "chronos.letters.AnotherAtWork": "",
    "chronos.letters.NoSuchLetter": "",
    "chronos.moments.NoMoment": "",
    "chronos.offsets.BadWay": "",
    "chronos.old_system.NoOldSystem": "",
    "chronos.queries.NoSuchVideo": "",
    "chronos.queries.RunIsOver": "",
    "chronos.sharing.NoSuchSecond": "",
    "chronos.planning.NoSuchGroup": "",
    "chronos.pooling.PooledByTransaction": "",
    "chronos.reprocessing.NoneChosen": "",
    "chronos.retrying.NothingToRetry": "",
    "chronos.rewinding.NotMoved": "",
    "chronos.plans.PlanIsStale": "",
    "chronos.switching.AlreadyRebuilding": "",
    "chronos.switching.NoOtherSide": "",
    "chronos.switching.NotCaughtUp": "",
    "chronos.spaces.NotFolded": "",
    "chronos.stores.BadStore": "",
    "concurrent.futures.process.BrokenProcessPool": "run it again: it goes on where it was",
    "schemas.avro.Undecodable": "",
    "schemas.avro.Unreleased": "",
    "streams.codec.NewerThanThis": "",
    "streams.kafka.BrokerAway": BROKER,
    "streams.kafka.DeliveryFailed": BROKER,
    "streams.kafka.TooLarge": "send less at once",
    "streams.kafka.TopicsMissing": "",
    "streams.member.LogTruncated": "",
    "streams.progress.TopicReplaced": "",
    "streams.projector.TopicChanged": "",
    "streams.retry.Fault": "",
    "streams.worker.JournalLost": "",
    "streams.worker.JournalReplaced": "start the worker again",
}
"""Errors that say in one line what is wrong, and the remedy where they do not name it themselves. By name, so that none
of their modules is imported for the sake of another's error."""

WRONG_USE = {
    "chronos.cli.state.WrongUse",
    "chronos.budgeting.BadBudget",
    "chronos.conditions.BadCondition",
    "chronos.moments.NoMoment",
    "chronos.offsets.BadWay",
    "chronos.planning.NoSuchGroup",
    "chronos.sharing.NoSuchSecond",
    "schemas.avro.Undecodable",
    "pydantic_core._pydantic_core.ValidationError",
}


class OneLine:
    """Ends the block's error in one line on stderr, and the program with a code."""

    def __init__(self, ctx: Any, *, debug: bool) -> None:
        self._ctx, self._debug = ctx, debug

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or self._debug or _is_the_shells(error):
            return
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from error
        if isinstance(error, Exception):
            err().print(Text.assemble(("error: ", "bold red"), explain(error, self._ctx.obj)), soft_wrap=True)
            raise typer.Exit(2 if _is_wrong_use(error) else 1) from error


def _is_wrong_use(error: Exception) -> bool:
    names = set(_names(error))
    return bool(WRONG_USE & names) and "streams.codec.NewerThanThis" not in names  # nobody wrote that wrongly


def _is_the_shells(error: BaseException) -> bool:
    """What the command line says by itself (its errors have an exit code of their own), and a reader that is gone."""
    return hasattr(error, "exit_code") or isinstance(error, (typer.Abort, SystemExit, BrokenPipeError))


def explain(error: Exception, state: State | None = None) -> str:
    """The line for an error, without secrets."""
    if "chronos.house.NotOurs" in _names(error):
        return str(error)  # `streams` may be a stranger
    from streams.redaction import redact

    return redact(_line(error, state))


def _line(error: Exception, state: State | None) -> str:
    for name in _names(error):
        if name in SPOKEN:
            return _with(str(error), SPOKEN[name])
    return _setting(error) or _kafka(error) or _file(error) or _database(error, state) or _unforeseen(error)


def _names(error: BaseException) -> list[str]:
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]


def _with(said: str, remedy: str) -> str:
    return f"{said}; {remedy}" if remedy else said


def _setting(error: Exception) -> str | None:
    from pydantic import ValidationError

    from schemas.avro import explain as fields

    if not isinstance(error, ValidationError):
        return None
    return f"{'a setting' if error.title == 'Settings' else 'what was given'} is wrong: {fields(error)}"


def _kafka(error: Exception) -> str | None:
    """librdkafka's errors, where nobody has made one of ours of them."""
    if "cimpl.KafkaException" not in _names(error):
        return None
    return _with(f"Kafka says: {error.args[0].str()}", BROKER)


def _file(error: Exception) -> str | None:
    """Files and folders that cannot be used, and a disk that is full."""
    if not isinstance(error, OSError) or isinstance(error, (ConnectionError, TimeoutError)):
        return None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: free some space, or name a folder on another disk with --home"
    if error.filename is None:
        return None
    return f"{error.filename}: {error.strerror}; check its permissions, or name another folder with --home"


def _database(error: Exception, state: State | None) -> str | None:
    """Postgres away, or closed to us."""
    if "asyncpg" not in sys.modules:
        return None
    import asyncpg

    from streams.postgres import AWAY

    where = database_of(state)
    if isinstance(error, (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
        return f"the database at {where} refuses us ({error}); check DATABASE_URL"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{error}; create it at {where}, or check DATABASE_URL"
    if isinstance(error, AWAY):
        why = str(error) or type(error).__name__
        return f"the database is away at {where} ({why}); {START}DATABASE_URL"
    return None


def _unforeseen(error: Exception) -> str:
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"unforeseen: {what}; run it again with --debug for the trace, and report that"


def database_of(state: State | None) -> str:
    """Host and port of the database that the command was to use: never its password."""
    url = state.settings().database_url if state else None
    return host(url) if url else "an unknown place"


def host(url: str) -> str:
    """`host:port` of a database's URL."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
    except ValueError:
        return "an address that makes no sense"
