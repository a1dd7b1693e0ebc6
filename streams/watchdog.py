"""Ends a process whose event loop hangs: its heartbeats would go on, and its partitions would stay with it for ever."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import threading

TICK = 1.0  # seconds


class Watchdog:
    """A thread that counts its own ticks against the loop's: a process that was stopped and woken loses neither."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds without a turn of the loop; its leases have run out by then."""
        self._most = max(2, round(patience / TICK))
        self._missed = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    async def run(self) -> None:
        """Shows that the loop turns, until it is cancelled."""
        self._thread.start()
        try:
            while True:
                self._missed = 0
                await asyncio.sleep(TICK)
        finally:
            self._stopping.set()

    def _watch(self) -> None:
        while not self._stopping.wait(TICK):
            self._missed += 1
            if self._missed > self._most:
                faulthandler.dump_traceback(all_threads=True)
                os.kill(os.getpid(), signal.SIGKILL)  # a hanging loop runs no handler of a gentler one
