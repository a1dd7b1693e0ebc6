"""A supervisor seen from outside: put into the background, asked to stop, its data removed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from chronos.devstack.errors import StartFailed
from chronos.devstack.home import Claim, Info, holder, read_dev_json
from chronos.devstack.process import alive, describe_exit, kill_tree, started_at, tail
from chronos.devstack.steps import result, until

_STOP_SECONDS = 45.0  # what a supervisor may take when each of its parts has to be killed
_DATA = ("kafka", "postgres", "logs")


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


def reset(home: Path, *also: str) -> None:
    """Removes the data of Kafka and Postgres and the logs, and other folders of this home by name.

    Raises:
        AlreadyRunning: a stack runs there.
    """
    if not home.exists():
        return
    claim = Claim(home)
    try:
        for name in (*_DATA, *also):
            if (home / name).exists():
                shutil.rmtree(home / name)
    finally:
        claim.release()


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
