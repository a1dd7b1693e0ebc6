"""Commands that do the work in this process: `worker`, and `demo`, which shows all of it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli.state import Json, State, WrongUse, print_json, print_line

if TYPE_CHECKING:
    from chronos.config import Settings
    from streams.stage import Function

PANEL = "Running"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(demo)
    examples = (
        "Examples: chronos worker --all · chronos worker --function transcribe-video · chronos worker --projection"
    )
    app.command(rich_help_panel=PANEL, epilog=examples)(worker)
    app.command(rich_help_panel=PANEL, epilog=SERVE_EXAMPLES)(serve)
    app.command(rich_help_panel=PANEL)(key)


SERVE_EXAMPLES = """Examples:

chronos serve                                    on localhost:8288, for this machine alone

CHRONOS_EVENT_KEY=… CHRONOS_READING_KEY=… CHRONOS_OPERATING_KEY=… chronos serve --host 0.0.0.0

curl localhost:8288/v1/videos"""


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Beyond this machine, keys are wanted.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8288,
    as_json: Json = False,
) -> None:
    """Serve the console, and the HTTP API under /v1: send events, follow videos and runs, search, operate.

    As JSON, one line when it listens and one when it has stopped.
    """
    from chronos import logs
    from chronos.api import server

    state: State = ctx.obj
    logs.set_up(as_json=as_json)
    where = {"url": f"http://{host}:{port}/v1"}
    say = print_line if as_json else lambda said: None
    asyncio.run(server.serve(state.settings(), host, port, lambda: say({"event": "serving", **where})))
    say({"event": "stopped", **where})


def key(
    creator: Annotated[
        str | None, typer.Option("--creator", "-c", help="For reading: it shows this creator's videos alone.")
    ] = None,
    webhook: Annotated[
        bool, typer.Option("--webhook", help="A secret for CHRONOS_WEBHOOKS, which its receiver has to know too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a key for the HTTP API, and the hash of it that goes into CHRONOS_EVENT_KEY, CHRONOS_READING_KEY or
    CHRONOS_OPERATING_KEY. The key is shown once; several hashes stand with commas between."""
    import hashlib
    import secrets

    if webhook:
        _webhook_secret(as_json=as_json)
        return
    made = secrets.token_urlsafe(32)
    digest = f"sha256:{hashlib.sha256(made.encode()).hexdigest()}" + (f"@{creator}" if creator else "")
    if as_json:
        print_json({"key": made, "hash": digest})
    else:
        typer.echo(f"key   {made}\nhash  {digest}")


def _webhook_secret(*, as_json: bool) -> None:
    from chronos.webhooks import new_secret

    secret = new_secret()
    print_json({"secret": secret}) if as_json else typer.echo(secret)


def demo(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the whole job: three lectures are made, transcribed, and searched to the second."""
    from chronos.demo import run

    state: State = ctx.obj
    run(state.home, print_json if as_json else None)


def worker(
    ctx: typer.Context,
    function: Annotated[list[str] | None, typer.Option(help="Only this function; may be given several times.")] = None,
    projection: Annotated[bool, typer.Option("--projection", help="The projection.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="All functions and the projection: so it is when none is named.")
    ] = False,
    ready_file: Annotated[Path | None, typer.Option(help="Is written when it works.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve /metrics for Prometheus there, /live and /ready.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Beyond this machine, a key is wanted.")] = "127.0.0.1",
    as_json: Json = False,
) -> None:
    """Run functions and the projection in this process: all of them, or those that are named.

    As JSON, one line when it works and one when it has stopped; its log, on stderr, is JSON too.
    """
    from chronos import logs

    if everything and (function or projection):
        raise WrongUse("--all names everything already: leave it out, or --function and --projection")
    state: State = ctx.obj
    logs.set_up(as_json=as_json)
    chosen, projecting = _chosen(function, projection), projection or not function
    what = {"functions": [one.name for one in chosen], "projection": projecting}
    say = print_line if as_json else lambda said: None
    ready = partial(_ready, ready_file, say, what)
    _run(state.settings(), chosen, projecting, ready, (metrics_host, metrics_port) if metrics_port else None)
    say({"event": "stopped", **what})


def _ready(file: Path | None, say: Callable[[Any], None], what: dict[str, Any]) -> None:
    if file:
        file.touch()
    say({"event": "ready", **what})


def _chosen(names: Sequence[str] | None, projection: bool) -> Sequence[Function]:
    """Those that are named; all, unless the projection alone was asked for."""
    from chronos.pipeline import FUNCTIONS
    from chronos.running import functions_named

    if not names:
        return () if projection else FUNCTIONS
    try:
        return functions_named(names)
    except KeyError as error:
        raise WrongUse(error.args[0]) from error


def _run(
    settings: Settings,
    functions: Sequence[Function],
    projection: bool,
    ready: Callable[[], None],
    metrics: tuple[str, int] | None,
) -> None:
    import uvloop

    from chronos import running

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with _measured(settings, functions, projection, ready, metrics) as ready_now:
            await running.run(settings, functions, projection, stop, ready_now)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


@asynccontextmanager
async def _measured(
    settings: Settings,
    functions: Sequence[Function],
    projection: bool,
    ready: Callable[[], None],
    metrics: tuple[str, int] | None,
) -> AsyncIterator[Callable[[], None]]:
    """Serves the metrics meanwhile, where a port is given; gives what is to be called once it works."""
    if metrics is None:
        yield ready
        return
    from chronos.metering import Meter
    from chronos.metrics_server import Address, served

    async with served(settings, Address(*metrics), Meter(settings, functions, projection=projection)) as note:

        def both() -> None:
            note()
            ready()

        yield both
