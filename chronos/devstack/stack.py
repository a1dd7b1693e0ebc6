"""The whole stack under one supervisor: Kafka, Postgres and the commands beside them, started and stopped as one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from chronos.devstack.home import Claim, Info, Worker
from chronos.devstack.interrupts import EndingSignals, HeldInterrupts
from chronos.devstack.kafka import KafkaBroker
from chronos.devstack.postgres import PostgresServer
from chronos.devstack.process import Child, Command, describe_exit
from chronos.devstack.steps import Steps, Tell, drive, say_nothing

AI = "ai"  # the name of the command whose pid stands under "ai" in dev.json

_STOP_SECONDS = 10.0  # for all commands together: a worker finishes the call that it is in
_LOOK_SECONDS = 0.2  # how often `wait` looks whether something died


def _at_once() -> bool:
    return True


@dataclass(frozen=True)
class Beside:
    """A command that runs beside Kafka and Postgres. Its output goes to `home/logs/<name>.log`.

    It finds the two through KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = _at_once
    seconds: float = 60.0  # it must be ready within


class DevStack:
    """A stack in a home. Use it as a context: inside the block Kafka and Postgres are up, after it nothing is left.

    with DevStack(Path(".chronos")) as stack:
        stack.run(Beside("worker", [sys.executable, "-m", "chronos", "worker"]))
        stack.announce()
        print(stack.wait())

    In the main thread, SIGTERM and a closed terminal act inside the block as Ctrl-C does. Whatever kills it, the kernel
    ends its processes (Linux), or the next start does (elsewhere).
    """

    def __init__(
        self, home: Path, *, kafka_port: int | None = None, database_port: int | None = None, tell: Tell = say_nothing
    ) -> None:
        self.home = home.resolve()
        self.kafka = KafkaBroker(self.home, kafka_port, tell=tell, born=self._remember, makes_classes=True)
        self.postgres = PostgresServer(self.home, database_port, tell=tell, born=self._remember)
        self._tell = tell
        self._children: list[Child] = []
        self._commands: dict[str, Beside] = {}
        self._claim: Claim | None = None
        self._signals = EndingSignals()
        self._since = datetime.now(UTC)

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    @property
    def database_url(self) -> str:
        return self.postgres.url

    def start(self) -> None:
        """Starts Kafka and Postgres, both at once.

        Raises:
            DevStackError: see errors.py. Nothing is left running then, nor after a KeyboardInterrupt.
        """
        self._claim = Claim(self.home)
        self._drive(self.kafka.starting(), self.postgres.starting())

    def run(self, *commands: Beside) -> None:
        """Starts commands, all at once, and waits until they are ready.

        Raises:
            StartFailed: one of them did not come up. Everything is stopped then, as after a KeyboardInterrupt.
        """
        self._drive(*(self._starting(command) for command in commands))

    def announce(self, *, ai_base_url: str | None = None, console_url: str | None = None) -> Info:
        """Writes dev.json: the stack is up."""
        claim, kafka_pid, database_pid = self._claim, self.kafka.pid, self.postgres.pid
        if claim is None or kafka_pid is None or database_pid is None:
            raise RuntimeError(self.died() or "the stack is not running")
        info = Info(
            home=self.home,
            started_at=self._since,
            supervisor_pid=os.getpid(),
            bootstrap=self.bootstrap,
            kafka_pid=kafka_pid,
            database_url=self.database_url,
            database_pid=database_pid,
            ai_base_url=ai_base_url,
            ai_pid=next((child.pid for child in self._children if child.name == AI), None),
            console_url=console_url,
            workers=tuple(Worker(child.name, child.pid) for child in self._children if child.name != AI),
        )
        claim.publish(info)
        return info

    def died(self) -> str | None:
        """A report on the first process found that has ended by itself. None while all run."""
        for child in (self.kafka.child, self.postgres.child, *self._children):
            if child is not None and child.exit_code is not None:
                return child.failure(f"ended by itself with {describe_exit(child.exit_code)}")
        return None

    def revive(self) -> list[str]:
        """Starts again the commands that have ended by themselves, and gives their names. Announce again after it."""
        pairs = zip(self._commands, self._children, strict=True)
        ended = [name for name, child in pairs if child.exit_code is not None]
        for name in ended:
            number = list(self._commands).index(name)
            self._children[number] = Child(self._command(self._commands[name]), born=self._remember)
        return ended

    def wait(self) -> str:
        """Waits until a process dies, and gives the report. The end that people ask for is a KeyboardInterrupt."""
        while (report := self.died()) is None:
            time.sleep(_LOOK_SECONDS)
        return report

    def stop(self) -> None:
        """Stops the commands, then Kafka, then Postgres; kills what does not end. Does nothing when nothing runs."""
        with HeldInterrupts():
            self._stop_children()
            self.kafka.stop()
            self.postgres.stop()
            if self._claim is not None:
                self._claim.release()
                self._claim = None
        self._signals.off()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _drive(self, *parts: Steps) -> None:
        """Drives the parts with signals held back, so that one falls between two steps. Stops all when one raises."""
        try:
            self._signals.on()
            with HeldInterrupts() as held:
                drive(*parts, check=held.check)
            held.check()
        except BaseException:
            self.stop()
            raise

    def _starting(self, command: Beside) -> Steps:
        self._tell(command.name, "starting", None)
        child = Child(self._command(command), born=self._remember)
        self._children.append(child)
        self._commands[command.name] = command
        yield from child.ready(command.ready, command.seconds)
        self._tell(command.name, "ready", 1.0)

    def _command(self, command: Beside) -> Command:
        ours = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",  # whatever the shell has for another one
            "DATABASE_URL": self.database_url,
        }
        log = self.home / "logs" / f"{command.name}.log"
        return Command(command.name, command.argv, log, env={**ours, **command.env})

    def _remember(self, pid: int) -> None:
        if self._claim is not None:
            self._claim.remember(pid)

    def _stop_children(self) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self._children:
            child.ask()
        for child in reversed(self._children):
            if not child.wait(max(0.0, deadline - time.monotonic())):
                child.kill()
        self._children.clear()
        self._commands.clear()
