"""The stack with Chronos in it: Kafka, Postgres, AI where there is no key, topics, functions and projection."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from chronos.devstack.home import Info
from chronos.devstack.ports import answers, free_port
from chronos.devstack.stack import AI, Beside, DevStack
from chronos.devstack.steps import Tell, say_nothing
from chronos.pipeline import FUNCTIONS
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics

REVIVE_PAUSE = 1.0  # seconds before a process that died is started again
LOOK = 0.3


class ChronosStack:
    """Use it as a context: inside the block everything works, after it nothing is left. A port brings the console."""

    def __init__(
        self, home: Path, *, kafka_port: int | None = None, database_port: int | None = None,
        console_port: int | None = None, tell: Tell = say_nothing,
    ) -> None:  # fmt: skip
        self.home = home.resolve()
        self._stack = DevStack(self.home, kafka_port=kafka_port, database_port=database_port, tell=tell)
        self._console_port = console_port
        self._ai: str | None = None

    def __enter__(self) -> Self:
        self._stack.start()
        try:
            self._fill()
        except BaseException:
            self._stack.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.stop()

    @property
    def local_ai(self) -> bool:
        """Whether the local models are in use, for want of a key."""
        return self._ai is not None

    def announce(self) -> Info:
        return self._stack.announce(ai_base_url=self._ai, console_url=self.console_url)

    @property
    def console_url(self) -> str | None:
        return f"http://localhost:{self._console_port}" if self._console_port else None

    def watch(self, tell: Callable[[str], None]) -> str:
        """Starts again what dies, until Kafka or Postgres does; gives the report. Ctrl-C is the usual end."""
        while True:
            time.sleep(LOOK)
            if not (self._stack.kafka.running and self._stack.postgres.running):
                return self._stack.died() or "the stack has stopped"
            if self._stack.died():
                time.sleep(REVIVE_PAUSE)
                for name in self._stack.revive():
                    tell(f"{name} had ended by itself and was started again; see {self.home / 'logs' / name}.log")
                self.announce()

    def _fill(self) -> None:
        if not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")):
            self._start_ai()
        Topics(Cluster(self._stack.bootstrap)).create(TOPICS.values())
        names = [word for function in FUNCTIONS for word in ("--function", function.name)]
        workers = [self._worker("functions", *names), self._worker("projection", "--projection")]
        self._stack.run(*workers, *([self._console(self._console_port)] if self._console_port else []))
        self.announce()

    def _start_ai(self) -> None:
        ready = self.home / "ai.json"
        ready.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "chronos.devstack.local_ai", "--bill", str(self.home / "ai-bill.jsonl")]
        argv += ["--port", str(free_port()), "--ready-file", str(ready)]  # a fixed port: it is the same when revived
        self._stack.run(Beside(AI, argv, ready=ready.exists))
        self._ai = json.loads(ready.read_text())["url"]

    def _console(self, port: int) -> Beside:
        argv = [sys.executable, "-m", "chronos", "serve", "--port", str(port)]
        return Beside("console", argv, self._environment(), lambda: answers(port))

    def _worker(self, name: str, *options: str) -> Beside:
        ready = self.home / f"{name}.ready"
        ready.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "chronos", "worker", *options, "--ready-file", str(ready)]
        return Beside(name, argv, self._environment(), ready.exists)

    def _environment(self) -> dict[str, str]:
        ai = {"OPENAI_BASE_URL": self._ai, "CHRONOS_LOCAL_AI": "true"} if self._ai else {}
        return {"CHRONOS_HOME": str(self.home), "CHRONOS_LOG": "json", **ai}
