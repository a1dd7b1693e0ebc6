"""Commands of operators: `verify`, `journal rebuild`, `doctor` and `version`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chronos.cli.state import Json, State, WrongUse, err, out, print_json

if TYPE_CHECKING:
    from chronos.report import Report

PANEL = "Operating"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(verify)
    app.command(rich_help_panel=PANEL)(doctor)
    app.command(rich_help_panel=PANEL)(version)
    app.command(rich_help_panel=PANEL, epilog=MANIFESTS)(manifests)
    journal = typer.Typer(help="The journal: what was paid for, and which runs are over.", no_args_is_help=True)
    journal.command("rebuild")(journal_rebuild)
    app.add_typer(journal, name="journal", rich_help_panel=PANEL)


@contextmanager
def bar() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on stderr with the time left, as a function of what is done and the share of it."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>8}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda what, share: progress.update(task, description=what, completed=share)


MANIFESTS = """Examples: chronos manifests | kubectl apply -n chronos -f - · chronos manifests topics users"""


def manifests(
    parts: Annotated[list[str] | None, typer.Argument(help="topics, users, workloads, scaling; all if none.")] = None,
    image: Annotated[str | None, typer.Option(help="The image of Chronos.")] = None,
    cluster: Annotated[str | None, typer.Option(help="The Kafka's name in Strimzi.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Where Kafka is, from inside the cluster.")] = None,
    as_json: Json = False,
) -> None:
    """Print what Kubernetes needs: Strimzi's topics and users, deployments, KEDA's scaling by lag."""
    from chronos.manifests import PARTS, as_yaml
    from chronos.manifests import manifests as made
    from chronos.workloads import Names

    given = {"image": image, "cluster": cluster, "bootstrap": bootstrap}
    try:
        found = made(Names(**{name: value for name, value in given.items() if value}), parts or PARTS)
    except KeyError as error:
        raise WrongUse(error.args[0]) from error
    if as_json:
        print_json({"apiVersion": "v1", "kind": "List", "items": found})
    else:
        typer.echo(as_yaml(found), nl=False)


def verify(ctx: typer.Context, as_json: Json = False) -> None:
    """Fold the log anew, and compare tables and journal with it. Exit code 1 where something differs.

    It may run while videos are processed: everything is as of its start, and what is not over by then is no difference.
    """
    from chronos.verifying import verify as run

    state: State = ctx.obj
    with bar() as progress:
        report = asyncio.run(run(state.settings(), progress))
    if as_json:
        print_json(report.to_json())
    else:
        _show_report(report)
    if not report.ok:
        raise typer.Exit(1)


def _show_report(report: Report) -> None:
    from rich.text import Text

    for line in report.differences:
        out().print(Text.assemble(("✗ ", "red"), line))
    for video in report.without_ending:
        line = f"run {video['runId']} of video {video['videoId']} has no ending ({video['status']})"
        out().print(Text.assemble(("✗ ", "red"), line))
    mark = ("✓ ", "green") if report.ok else ("✗ ", "red")
    out().print(Text.assemble(mark, report.summary()))
    if going_on := report.still_open():
        out().print(f"  not over yet: {going_on}")
    if report.dead_letters:
        out().print(f"  {report.dead_letters} dead letters wait: chronos deadletters list")


def journal_rebuild(ctx: typer.Context, as_json: Json = False) -> None:
    """Read the journal back from the facts: paid results, spends, choices and endings. Stop the workers first."""
    from chronos.journal_rebuild import rebuild

    state: State = ctx.obj
    with bar() as progress:
        found = asyncio.run(rebuild(state.settings(), progress))
    if as_json:
        print_json(found)
    else:
        counts = ", ".join(f"{count} {name}" for name, count in found.items() if count)
        out().print(f"put back: {counts}" if counts else "the journal holds all that the log knows")


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Look at every part: a tick each, or what is wrong and what to do. Exit code 1 where something is."""
    from chronos.doctor import examine

    state: State = ctx.obj
    found = asyncio.run(examine(state.settings()))
    if as_json:
        print_json({"ok": all(check.ok for check in found), "checks": [check.to_json() for check in found]})
    else:
        for check in found:
            _show(check)
    if not all(check.ok for check in found):
        raise typer.Exit(1)


def _show(check: Any) -> None:
    from rich.text import Text

    mark = ("✓", "green") if check.ok else ("✗", "red")
    out().print(Text.assemble(mark, f" {check.name:<12} {check.found}"), soft_wrap=True)
    if check.remedy:
        out().print(Text.assemble("  → ", (check.remedy, "bold")), soft_wrap=True)


def version(as_json: Json = False) -> None:
    """Print the version."""
    import platform

    number = _installed()
    if as_json:
        print_json({"version": number, "python": platform.python_version()})
    else:
        out().print(number or "a tree that is not installed")


def _installed() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("chronos")
    except PackageNotFoundError:
        return None
