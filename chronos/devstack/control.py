"""A supervisor seen from outside: put into the background, asked to stop, its data removed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chronos.devstack.errors import StartFailed
from chronos.devstack.home import Claim, Info, holder, read_dev_json
from chronos.devstack.process import alive, describe_exit, kill_tree, started_at, tail
from chronos.devstack.steps import result, until

_STOP_SECONDS = 45.0  # what a supervisor may take when each of its parts has to be killed
_DATA = ("kafka", "postgres", "store", "scratch", "ai-bill.jsonl", "logs")
_STORE = "store"


def detach(argv: Sequence[str], home: Path, log: Path, *, seconds: float = 300.0) -> Info:
    """Runs a supervisor in the background, and waits until its stack is up.

    Raises:
        StartFailed: it ended first, or was not up within the limit (it is stopped then); with the log's last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        info = _await_stack(supervisor, home, log, seconds)
    except BaseException:
        if supervisor.poll() is None:
            supervisor.terminate()
            supervisor.wait(_STOP_SECONDS)
        raise
    supervisor.returncode = 0  # it goes on without us; without a code, Popen warns of a process that was forgotten
    return info


def stop(home: Path) -> bool:
    """Asks the supervisor of this home to stop, and waits until all is over. Returns whether there was one.

    A supervisor that does not stop in time is killed, and the kernel ends its processes.
    """
    pid = holder(home)
    started = started_at(pid) if pid is not None else None
    if pid is None or started is None:
        return False
    os.kill(pid, signal.SIGTERM)
    if not result(until(lambda: not alive(pid, started), _STOP_SECONDS)):
        kill_tree(pid)
    return True


@dataclass(frozen=True)
class Doomed:
    """What a reset removes: names in the home, how many of its files are uploaded videos, and the bytes of all."""

    names: tuple[str, ...]
    videos: int
    bytes: int

    def __str__(self) -> str:
        videos = f"{self.videos} uploaded video{'' if self.videos == 1 else 's'}"
        named = ", ".join(f"{name} ({videos})" if name == _STORE else name for name in self.names)
        return f"{named}: {self.bytes / 1e6:,.1f} MB in all" if named else "nothing"


def reset(home: Path, *also: str, agreed: Callable[[Doomed], bool] = lambda doomed: True) -> Doomed | None:
    """Removes all that a stack keeps here: log, tables, journal, uploaded videos, bill and logs, and others by name.

    The lectures of the demo stay. `agreed` is asked first, while nobody can start a stack here. Gives what was removed;
    None where it was not agreed.

    Raises:
        AlreadyRunning: a stack runs there.
    """
    if not home.exists():
        return Doomed((), 0, 0)
    claim = Claim(home)
    try:
        doomed = _doomed(home, (*_DATA, *also))
        if doomed.names and not agreed(doomed):
            return None
        for name in doomed.names:
            _remove(home / name)
        return doomed
    finally:
        claim.release()


def _doomed(home: Path, names: Sequence[str]) -> Doomed:
    there = tuple(name for name in names if (home / name).exists())
    files = [file for name in there for file in (home / name, *(home / name).rglob("*")) if file.is_file()]
    videos = sum(1 for file in files if file.is_relative_to(home / _STORE))
    return Doomed(there, videos, sum(file.lstat().st_size for file in files))


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def _await_stack(supervisor: subprocess.Popen[bytes], home: Path, log: Path, seconds: float) -> Info:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        code = supervisor.poll()
        if code is not None:
            raise StartFailed(f"the stack ended with {describe_exit(code)} before it was up; {_last(log)}")
        if (info := read_dev_json(home)) is not None:
            return info
        time.sleep(0.05)
    raise StartFailed(f"the stack was not up after {seconds:.0f} s; {_last(log)}")


def _last(log: Path) -> str:
    return f"the last lines of {log}:\n{tail(log)}"
