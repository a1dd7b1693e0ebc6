"""Commands for the stack of this home: `dev`, `stop` and `logs`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli.state import Failed, Json, State, WrongUse, err, out, print_json, print_line

if TYPE_CHECKING:
    from chronos.devstack.chronos_stack import ChronosStack
    from chronos.devstack.control import Doomed

PANEL = "Running"
CONSOLE = 8288  # where people know the page of the runner that this replaces

Port = Annotated[int | None, typer.Option(help="A free one, if absent.", min=1, max=65535)]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL, epilog="Examples: chronos dev · chronos dev --detach · chronos dev --reset")(dev)
    app.command(rich_help_panel=PANEL)(stop)
    app.command(rich_help_panel=PANEL, epilog="Examples: chronos logs · chronos logs functions --follow")(logs)


def dev(
    ctx: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="In the background; `chronos stop` ends it.")] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Throw away log, tables, journal and uploaded videos first.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a reset.")] = False,
    kafka_port: Port = None,
    database_port: Port = None,
    console_port: Annotated[
        int | None, typer.Option(help="8288, or a free one where that is taken.", min=1, max=65535)
    ] = None,
    as_json: Json = False,
) -> None:
    """Start everything here: Kafka, Postgres, AI, the functions, the projection and the console, until Ctrl-C.

    In a terminal it shows how they are. As JSON, one line for each change: up, restarted, stopped.
    """
    state: State = ctx.obj
    if reset:
        _reset(state, yes)
    ports = {"kafka": kafka_port, "database": database_port, "console": console_port}
    if detach:
        _detach(state, ports, as_json)
    else:
        _run_dev(state, ports, as_json)


def _reset(state: State, yes: bool) -> None:
    """Asks first where a person can answer; a script means what it says."""
    from chronos.devstack import control

    def agreed(doomed: Doomed) -> bool:
        question = f"A reset removes from {state.home}: {doomed}. Go on?"
        return yes or not _can_answer() or typer.confirm(question, err=True)

    removed = control.reset(state.home, agreed=agreed)
    if removed is None:
        raise Failed("nothing was removed, and nothing started; `chronos dev` goes on with what is there")
    err().print(f"removed from {state.home}: {removed}", markup=False, soft_wrap=True)


def _can_answer() -> bool:
    return sys.stdin.isatty()


def _detach(state: State, ports: dict[str, int | None], as_json: bool) -> None:
    from chronos.devstack import control

    named = [word for name, port in ports.items() if port for word in (f"--{name}-port", str(port))]
    argv = [sys.executable, "-m", "chronos", "--home", str(state.home), "dev", *named]
    info = control.detach(argv, state.home, state.home / "logs" / "dev.log")
    print_json(_public(info)) if as_json else show(info)


def _run_dev(state: State, ports: dict[str, int | None], as_json: bool) -> None:
    from chronos.devstack.chronos_stack import ChronosStack
    from chronos.devstack.ports import preferred_port

    console = preferred_port(CONSOLE, ports["console"], "the console")
    began = time.monotonic()
    try:
        with ChronosStack(
            state.home, kafka_port=ports["kafka"], database_port=ports["database"], console_port=console, tell=tell
        ) as stack:
            _say_where(stack, as_json)
            err().print(f"up after {time.monotonic() - began:.1f} s; Ctrl-C stops everything")
            report = _watched(state, stack, as_json)
    except KeyboardInterrupt:
        print_line({"event": "stopped"}) if as_json else err().print("stopped")
        return
    raise Failed(report)


def _say_where(stack: ChronosStack, as_json: bool) -> None:
    info = stack.announce()
    if as_json:
        print_line({"event": "up", **_public(info)})
    elif not out().is_terminal:  # there the live table says it
        show(info)
    if stack.local_ai:
        err().print("[yellow]local models are in use[/], for want of OPENAI_API_KEY: slow and modest, and free")


def _watched(state: State, stack: ChronosStack, as_json: bool) -> str:
    """Until Kafka or Postgres dies; gives the report."""
    if as_json:
        return stack.watch(lambda line: print_line({"event": "restarted", "message": line}))
    if not out().is_terminal:
        return stack.watch(lambda line: err().print(line, markup=False))
    from chronos.dashboard import shown_live

    info = stack.announce()
    settings = state.settings().completed(info)
    found = {"kafka_bootstrap_servers": info.bootstrap, "database_url": info.database_url}
    with shown_live(settings.model_copy(update=found), out(), info.console_url or "none") as say:
        return stack.watch(say)


def tell(part: str, doing: str, done: float | None) -> None:
    err().print(f"  [green]✓[/] {part} {doing}" if done == 1.0 else f"    {part} {doing} …", style=None)


def show(info: Any) -> None:
    """Where everything is, and what to try."""
    out().print(f"Console   {info.console_url or 'none'}")
    out().print(f"Kafka     {info.bootstrap}")
    out().print(f"Postgres  {info.database_url.split('@')[-1]}  (password in {info.home / 'dev.json'})", soft_wrap=True)
    out().print(f"AI        {info.ai_base_url or 'as OPENAI_BASE_URL says'}")
    out().print("Try       chronos transcribe FILE --creator ada --wait    and    chronos search WORDS", soft_wrap=True)


def _public(info: Any) -> dict[str, Any]:
    """dev.json without the database's password, and where that is to be found."""
    database = {"address": info.database_url.split("@")[-1], "pid": info.database_pid}
    return {**info.to_json(), "database": database, "devJson": str(info.home / "dev.json")}


def stop(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Stop nothing; fail if something runs.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the stack that runs in this home."""
    from chronos.devstack import control
    from chronos.devstack.home import read_dev_json

    state: State = ctx.obj
    running = check and read_dev_json(state.home) is not None
    stopped = not check and control.stop(state.home)
    if as_json:
        print_json({"home": str(state.home), "stopped": stopped, "running": running})
    elif not check:
        err().print("stopped" if stopped else f"nothing runs in {state.home}", soft_wrap=True)
    if running:
        raise Failed(f"a stack runs in {state.home}: stop it first with `chronos stop`")


def logs(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="functions, projection, kafka …; all, if absent.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what the stack's processes have logged. As JSON, one line for each of theirs."""
    state: State = ctx.obj
    folder = state.home / "logs"
    there = {file.stem: file for file in sorted(folder.glob("*.log"))}
    if not there:
        raise Failed(f"nothing was logged in {folder} yet; `chronos dev` starts a stack there")
    if name and name not in there:
        raise WrongUse(f"no log is named {name} in {folder}; there are: {', '.join(there)}")
    files = [there[name]] if name else list(there.values())
    for file in files:
        _show_log(file, lines, titled=len(files) > 1, as_json=as_json)
    if follow:
        _follow(files, as_json)


def _show_log(file: Path, lines: int, *, titled: bool, as_json: bool) -> None:
    if titled and not as_json:
        out().print(f"[bold]{file.stem}[/]")
    for line in file.read_text(errors="replace").splitlines()[-lines:] if lines else []:
        print_line({"log": file.stem, "line": line}) if as_json else out().print(line, markup=False, soft_wrap=True)


def _follow(files: list[Path], as_json: bool) -> None:
    places = {file: file.stat().st_size for file in files}
    while True:
        for file in files:
            for line in _new_lines(file, places):
                if as_json:
                    print_line({"log": file.stem, "line": line})
                else:
                    out().print(f"{file.stem}: {line}", markup=False, soft_wrap=True)
        time.sleep(0.3)


def _new_lines(file: Path, places: dict[Path, int]) -> Iterator[str]:
    with file.open("rb") as source:
        source.seek(places[file])
        content = source.read()
    places[file] += len(content)
    yield from content.decode(errors="replace").splitlines()
