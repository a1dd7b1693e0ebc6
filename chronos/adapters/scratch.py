"""Places for an attempt's files, which nobody has to tidy: not after an error, and not after a kill -9."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path


class DirectoryScratch:
    """Rooms under a directory that processes may share.

    Each process has a folder of its own there and holds a lock in it. The kernel lets go of the lock when the process
    dies, however it dies, and the next one that starts removes the folder. A pid would not do: two containers on one
    disk both have a process 1.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home / ".lock"):  # nobody sweeps a folder whose lock is not taken yet
            _sweep(home)
            self._folder = home / f"{os.getpid()}-{secrets.token_hex(4)}"
            self._folder.mkdir()
            self._lock = _take(self._folder / ".lock", wait=True)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[Path]:
        """See agents.ports.Scratch."""
        room = Path(tempfile.mkdtemp(prefix="room-", dir=self._folder))
        try:
            yield room
        finally:
            await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)

    def close(self) -> None:
        """Removes this process's folder, at the end of its life."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _sweep(home: Path) -> None:
    """Removes the folders of processes that are dead."""
    for folder in home.iterdir():
        lock = _take(folder / ".lock", wait=False) if folder.is_dir() else None
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    lock = _take(file, wait=True)
    assert lock is not None
    try:
        yield
    finally:
        os.close(lock)


def _take(file: Path, *, wait: bool) -> int | None:
    """The open, locked file, or None where another process holds it."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
