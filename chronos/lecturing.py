"""The demo's lectures, made while the stack starts, in a process of their own: `python -m chronos.lecturing HOME`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from chronos.devstack.lectures import Lecture, make_lectures
from chronos.devstack.process import Child, Command

FOLDER = "lectures"
NICE = 5  # the stack starts first: the lectures are long in coming anyway


def make_and_tell(home: Path) -> None:
    """Makes the lectures, and writes a line of JSON to stdout for each sentence that is spoken."""
    os.nice(NICE)

    def tell(title: str, done: float) -> None:
        sys.stdout.write(json.dumps({"title": title, "done": done}) + "\n")
        sys.stdout.flush()

    make_lectures(home / FOLDER, tell)


class Making:
    """The making, seen from outside."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        log = self._home / "logs" / "lectures.log"
        log.unlink(missing_ok=True)
        argv = (sys.executable, "-m", "chronos.lecturing", str(self._home))
        self._child = Child(Command("lectures", argv, log))

    def over(self) -> bool:
        return self._child.exit_code is not None

    def progress(self) -> tuple[str, float]:
        """The lecture in hand, and how much of all is done (0 to 1)."""
        lines = self._child.log.read_text(errors="replace").splitlines()
        try:
            said = json.loads(lines[-1])
        except (IndexError, ValueError):
            return "", 0.0
        return said["title"], said["done"]

    def lectures(self) -> list[Lecture]:
        """What was made. Call it when it is over.

        Raises:
            StartFailed: it ended badly; with its last lines.
        """
        for _ in self._child.finished(1.0):
            pass
        return make_lectures(self._home / FOLDER, lambda title, done: None)

    def stop(self) -> None:
        if not self.over():
            self._child.kill()


if __name__ == "__main__":
    make_and_tell(Path(sys.argv[1]))
