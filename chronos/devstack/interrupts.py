"""Ctrl-C and its kin, held back while the stack starts or stops, so that at no moment a process is lost."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _settable() -> bool:
    return threading.current_thread() is threading.main_thread()


class HeldInterrupts:
    """While the block runs, a signal that would end the program is only noted; `check` raises it where it does no harm.

    In a thread other than the main one, where Python takes no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.noted = False
        self._before: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raises KeyboardInterrupt if a signal has come since the block began."""
        if self.noted:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in _ENDING if _settable() else ():
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.noted = True


class EndingSignals:
    """While the stack is up, SIGTERM and a closed terminal end it as Ctrl-C does: with a KeyboardInterrupt."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}

    def on(self) -> None:
        """Turns the signals into KeyboardInterrupt."""
        for number in _ENDING if _settable() else ():
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before.setdefault(number, signal.signal(number, signal.default_int_handler))

    def off(self) -> None:
        """Gives the signals back what they did before."""
        while self._before and _settable():
            signal.signal(*self._before.popitem())
