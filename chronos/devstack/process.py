"""A child process that never outlives its supervisor, is stopped within a limit, and shows its last lines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chronos.devstack.errors import StartFailed
from chronos.devstack.steps import until

_TAIL_LINES = 15
_CLOCK_SECONDS = 5.0
_LOG_BYTES = 10_000_000  # a longer log is put aside at the next start

Born = Callable[[int], None]  # is told the pid of each process as it starts


def nobody_cares(pid: int) -> None:
    """The Born of those who keep no book of processes."""


@dataclass(frozen=True)
class Command:
    """What to run, where its output goes, and how it dies with us.

    `orphaned` is the signal that the kernel sends it when the thread that started it is gone, whatever the reason. So
    start it from a thread that lives as long as the supervisor. (Linux, through util-linux' setpriv; elsewhere the
    next start finds what was left: see home.py.)
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)  # added to ours
    unset: Sequence[str] = ()  # taken away from ours
    orphaned: signal.Signals = signal.SIGKILL
    privileges: tuple[str, ...] = ()  # more options for setpriv
    remedy: str = ""  # what a person can do when it does not come up


class Child:
    """A running command. It has a session of its own, so that a terminal's Ctrl-C reaches only the supervisor."""

    def __init__(self, command: Command, *, born: Born = nobody_cares, stdin: str = "") -> None:
        self.name = command.name
        self.log = command.log
        self._remedy = command.remedy
        self._log_began = _prepare_log(command.log)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                guarded(command),
                env=_environment(command),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        born(self._process.pid)
        if self._process.stdin is not None:
            with self._process.stdin as pipe:  # short: it fits into the pipe's buffer
                pipe.write(stdin.encode())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.poll()

    def ask(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal, unless it has ended."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within the limit."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, seconds: float, number: signal.Signals = signal.SIGTERM) -> None:
        """Asks it to end, and kills it when it has not within the limit."""
        self.ask(number)
        if not self.wait(seconds):
            self.kill()

    def kill(self) -> None:
        """Kills it and all that it started, and waits until they are gone."""
        kill_tree(self.pid)
        self._process.wait()

    def ready(self, answers: Callable[[], bool], seconds: float) -> Generator[None, None, None]:
        """Waits until it answers.

        Raises:
            StartFailed: it ended first, or was silent for too long (it is left running then).
        """
        answered = yield from until(lambda: self.exit_code is not None or answers(), seconds)
        if self.exit_code is not None:
            raise self._start_failed(f"ended with {describe_exit(self.exit_code)} before it was ready")
        if not answered:
            raise self._start_failed(f"was not ready after {seconds:.0f} s")

    def finished(self, seconds: float) -> Generator[None, None, None]:
        """Waits until it has ended well.

        Raises:
            StartFailed: it ended otherwise, or not within the limit (it is killed then).
        """
        try:
            ended = yield from until(lambda: self.exit_code is not None, seconds)
        finally:
            if self.exit_code is None:
                self.kill()
        if not ended or self.exit_code != 0:
            raise self._start_failed(f"ended with {describe_exit(self.exit_code or 0)}")

    def failure(self, what: str) -> str:
        """A message for a person: what happened, where the log is, and its last lines."""
        return f"{self.name} {what}; the last lines of {self.log}:\n{tail(self.log, self._log_began)}"

    def _start_failed(self, what: str) -> StartFailed:
        return StartFailed(f"{self.failure(what)}\n{self._remedy}".rstrip())


def _prepare_log(log: Path) -> int:
    """Makes room for more, and gives the place where it will begin."""
    log.parent.mkdir(parents=True, exist_ok=True)
    size = log.stat().st_size if log.exists() else 0
    if size < _LOG_BYTES:
        return size
    log.replace(log.with_suffix(".old.log"))
    return 0


def _environment(command: Command) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name not in command.unset}
    return {**ours, **command.env}


def guarded(command: Command) -> list[str]:
    """The command line with the kernel's guard before it, where there is one. setpriv execs, so the pid stays."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return [*command.argv]
    # util-linux wants the signal's name without SIG
    death = command.orphaned.name.removeprefix("SIG")
    return [setpriv, *command.privileges, "--pdeathsig", death, "--", *command.argv]


def kill_tree(pid: int) -> None:
    """kill -9 for a process and its descendants, also those in sessions of their own. Waits until they are gone."""
    import psutil  # type: ignore[import-untyped]  # ships no types; late: an image has no embedded stack

    try:
        parent = psutil.Process(pid)
        doomed = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    _reap(doomed)


def _reap(processes: list[Any]) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(alive(p.pid, p.create_time()) for p in processes):
        time.sleep(0.01)


def started_at(pid: int) -> float | None:
    """When this process began, in seconds since 1970: with the pid it is an identity. None when there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def alive(pid: int, started: float) -> bool:
    """Whether this very process runs: not another that got its pid, nor the zombie of one that nobody waited for.

    The times may differ a little: they rest on the time of boot, which moves when the clock is set.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _CLOCK_SECONDS
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def describe_exit(code: int) -> str:
    """An exit code in words."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def tail(log: Path, began: int = 0) -> str:
    """The last lines of a log, from the byte where it began: indented, without the frames of Java's stack traces."""
    try:
        with log.open(errors="replace") as text:
            text.seek(began)
            last = deque((line for line in text if not line.startswith("\tat ")), maxlen=_TAIL_LINES)
    except FileNotFoundError:
        last = deque()
    return "".join(f"    {line.rstrip()}\n" for line in last).rstrip() or "    (it is empty)"
