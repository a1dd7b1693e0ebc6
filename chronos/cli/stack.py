"""Commands that run things: `dev`, `stop`, `logs`, `demo` and `worker`."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from chronos.cli.state import Failed, State, WrongUse, err, out

PANEL = "Running"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL, epilog="Examples: chronos dev · chronos dev --detach · chronos dev --reset")(dev)
    app.command(rich_help_panel=PANEL)(stop)
    app.command(rich_help_panel=PANEL, epilog="Examples: chronos logs · chronos logs functions --follow")(logs)
    app.command(rich_help_panel=PANEL)(demo)
    app.command(rich_help_panel=PANEL, epilog="Example: chronos worker --function transcribe-video")(worker)


def dev(
    ctx: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="In the background; `chronos stop` ends it.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Throw away log, tables and journal first.")] = False,
    kafka_port: Annotated[int | None, typer.Option(help="A free one, if absent.")] = None,
    database_port: Annotated[int | None, typer.Option(help="A free one, if absent.")] = None,
) -> None:
    """Start everything here: Kafka, Postgres, AI, the functions and the projection, until Ctrl-C."""
    from chronos.devstack import control

    state: State = ctx.obj
    if reset:
        control.reset(state.home)
    ports = [word for name, port in (("--kafka-port", kafka_port), ("--database-port", database_port)) if port
             for word in (name, str(port))]  # fmt: skip
    if detach:
        argv = [sys.executable, "-m", "chronos", "--home", str(state.home), "dev", *ports]
        info = control.detach(argv, state.home, state.home / "logs" / "dev.log")
        show(info)
        return
    _run_dev(state, kafka_port, database_port)


def _run_dev(state: State, kafka_port: int | None, database_port: int | None) -> None:
    from chronos.devstack.chronos_stack import ChronosStack

    began = time.monotonic()
    try:
        with ChronosStack(state.home, kafka_port=kafka_port, database_port=database_port, tell=tell) as stack:
            show(stack.announce())
            if stack.local_ai:
                err().print("[yellow]local models are in use[/], for want of OPENAI_API_KEY: slow and modest, and free")
            err().print(f"up after {time.monotonic() - began:.1f} s; Ctrl-C stops everything")
            report = stack.watch(lambda line: err().print(f"[yellow]{line}[/]"))
    except KeyboardInterrupt:
        err().print("stopped")
        return
    raise Failed(report)


def tell(part: str, doing: str, done: float | None) -> None:
    err().print(f"  [green]✓[/] {part} {doing}" if done == 1.0 else f"    {part} {doing} …", style=None)


def show(info: Any) -> None:
    """Where everything is, and what to try."""
    out().print(f"Kafka     {info.bootstrap}")
    out().print(f"Postgres  {info.database_url.split('@')[-1]}  (password in {info.home / 'dev.json'})")
    out().print(f"AI        {info.ai_base_url or 'as OPENAI_BASE_URL says'}")
    out().print("Try       chronos transcribe FILE --creator ada --wait    and    chronos search WORDS")


def stop(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Stop nothing; fail if something runs.")] = False,
) -> None:
    """Stop the stack that runs in this home."""
    from chronos.devstack import control
    from chronos.devstack.home import read_dev_json

    state: State = ctx.obj
    if check:
        if read_dev_json(state.home):
            raise Failed(f"a stack runs in {state.home}: stop it first with `chronos stop`")
        return
    err().print("stopped" if control.stop(state.home) else f"nothing runs in {state.home}")


def logs(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="functions, projection, kafka …; all, if absent.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 20,
) -> None:
    """Show what the stack's processes have logged."""
    state: State = ctx.obj
    folder = state.home / "logs"
    files = sorted(folder.glob(f"{name or '*'}.log"))
    if not files:
        there = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none yet"
        raise WrongUse(f"no log named {name or '*'} in {folder}; there are: {there}")
    for file in files:
        _show_log(file, lines, titled=len(files) > 1)
    if follow:
        _follow(files)


def _show_log(file: Path, lines: int, *, titled: bool) -> None:
    if titled:
        out().print(f"[bold]{file.stem}[/]")
    for line in file.read_text(errors="replace").splitlines()[-lines:] if lines else []:
        out().print(line, markup=False)


def _follow(files: list[Path]) -> None:
    places = {file: file.stat().st_size for file in files}
    while True:
        for file in files:
            for line in _new_lines(file, places):
                out().print(f"{file.stem}: {line}", markup=False)
        time.sleep(0.3)


def _new_lines(file: Path, places: dict[Path, int]) -> Iterator[str]:
    with file.open("rb") as source:
        source.seek(places[file])
        content = source.read()
    places[file] += len(content)
    yield from content.decode(errors="replace").splitlines()


def demo(ctx: typer.Context) -> None:
    """Show the whole job: three lectures are made, transcribed, and searched to the second."""
    from chronos.demo import run

    state: State = ctx.obj
    run(state.home)


def worker(
    ctx: typer.Context,
    function: Annotated[list[str] | None, typer.Option(help="Only this function; may be given several times.")] = None,
    projection: Annotated[bool, typer.Option("--projection", help="The projection.")] = False,
    ready_file: Annotated[Path | None, typer.Option(help="Is written when it works.")] = None,
) -> None:
    """Run functions and the projection in this process: all of them, or those that are named."""
    from chronos import logs, running
    from chronos.pipeline import FUNCTIONS

    state: State = ctx.obj
    logs.set_up()
    settings = state.settings()
    try:
        chosen = running.functions_named(function) if function else [] if projection else list(FUNCTIONS)
    except KeyError as error:
        raise WrongUse(error.args[0]) from error
    ready = (lambda: ready_file.touch()) if ready_file else (lambda: None)
    _run_worker(settings, chosen, projection or not function, ready)


def _run_worker(settings: Any, functions: Any, projection: bool, ready: Any) -> None:
    import uvloop

    from chronos import running

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await running.run(settings, functions, projection, stop, ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
