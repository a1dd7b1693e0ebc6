"""The stack's home (`.chronos/`): who holds it, what runs for it, and dev.json, where others read how to reach it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chronos.devstack.errors import AlreadyRunning
from chronos.devstack.process import alive, kill_tree, started_at

_VERSION = 1


@dataclass(frozen=True)
class Worker:
    """A command of ours that runs beside Kafka and Postgres."""

    name: str
    pid: int


@dataclass(frozen=True)
class Info:
    """Where everything of a running stack listens."""

    home: Path
    started_at: datetime
    supervisor_pid: int
    bootstrap: str
    kafka_pid: int
    database_url: str
    database_pid: int
    ai_base_url: str | None
    ai_pid: int | None
    console_url: str | None
    workers: tuple[Worker, ...]

    def to_json(self) -> dict[str, Any]:
        """dev.json as it is on disk. The names stay; `version` rises when a meaning changes."""
        return {
            "version": _VERSION,
            "startedAt": self.started_at.isoformat(),
            "home": str(self.home),
            "kafka": {"bootstrap": self.bootstrap, "pid": self.kafka_pid},
            "database": {"url": self.database_url, "pid": self.database_pid},
            "ai": None if self.ai_base_url is None else {"baseUrl": self.ai_base_url, "pid": self.ai_pid},
            "consoleUrl": self.console_url,
            "workers": [{"name": worker.name, "pid": worker.pid} for worker in self.workers],
            "supervisorPid": self.supervisor_pid,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Info:
        ai = said["ai"] or {"baseUrl": None, "pid": None}
        return cls(
            home=Path(said["home"]),
            started_at=datetime.fromisoformat(said["startedAt"]),
            supervisor_pid=said["supervisorPid"],
            bootstrap=said["kafka"]["bootstrap"],
            kafka_pid=said["kafka"]["pid"],
            database_url=said["database"]["url"],
            database_pid=said["database"]["pid"],
            ai_base_url=ai["baseUrl"],
            ai_pid=ai["pid"],
            console_url=said["consoleUrl"],
            workers=tuple(Worker(**worker) for worker in said["workers"]),
        )


class Claim:
    """The right to run a stack in a home. The kernel takes it back when its holder dies, however that comes."""

    def __init__(self, home: Path) -> None:
        """Takes it, and ends what a killed holder before us left running.

        Raises:
            AlreadyRunning: another supervisor has it.
        """
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home = home
        self._file = (home / "dev.lock").open("a+")
        if not _lock(self._file.fileno()):
            self._file.close()
            raise AlreadyRunning(
                f"a stack runs in {home} already (supervisor {holder(home) or 'is starting'}); "
                "`chronos stop` ends it, another home can run beside it"
            )
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        self._running: list[dict[str, float]] = []
        self._clear_after_the_dead()

    def release(self) -> None:
        """Gives it back. What it wrote about the stack is removed."""
        for name in ("dev.json", "processes.json"):
            (self.home / name).unlink(missing_ok=True)
        self._file.truncate(0)
        self._file.close()

    def remember(self, pid: int) -> None:
        """Notes a process at once, so that the next supervisor finds it should this one be killed."""
        if (started := started_at(pid)) is not None:
            self._running.append({"pid": pid, "started": started})
            _write(self.home / "processes.json", self._running)

    def publish(self, info: Info) -> None:
        """Writes dev.json: from now on the stack is up for everybody."""
        _write(self.home / "dev.json", info.to_json())

    def _clear_after_the_dead(self) -> None:
        """Ends what is left of a killed supervisor. A pid alone may be another's by now; pid and start time are not."""
        for process in _read(self.home / "processes.json") or ():
            if alive(process["pid"], process["started"]):
                kill_tree(process["pid"])
        (self.home / "processes.json").unlink(missing_ok=True)
        (self.home / "dev.json").unlink(missing_ok=True)


def holder(home: Path) -> int | None:
    """Pid of the supervisor that holds this home. None when nobody does."""
    try:
        with (home / "dev.lock").open() as file:
            if _is_free(file.fileno()):
                return None
            return int(file.read() or 0) or None
    except FileNotFoundError:
        return None


def read_dev_json(home: Path) -> Info | None:
    """What runs in this home; None when nothing does, or it is not up yet."""
    if holder(home) is None:
        return None
    said = _read(home / "dev.json")
    return None if said is None else Info.from_json(said)


def _lock(file: int) -> bool:
    """Takes the lock, unless a supervisor has it. A reader has it for a moment only (see _is_free)."""
    deadline = time.monotonic() + 0.5
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return None


def _write(file: Path, said: Mapping[str, Any] | Sequence[Any]) -> None:
    """All or nothing, and for our eyes only: there is a password in it."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    with new.open("w") as out:
        json.dump(said, out, indent=2)
        out.write("\n")
    new.replace(file)
