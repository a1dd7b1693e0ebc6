"""A model's place of work: a thread of its own, so that the server answers while the model loads and computes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Literal, Protocol, TypeVar

R = TypeVar("R")

State = Literal["loading", "ready", "failed"]


class Model(Protocol):
    """What can be put on a bench."""

    name: str

    def load(self) -> None: ...


M = TypeVar("M", bound=Model)


class Bench(Generic[M]):
    """Loads a model at once, in the background, and gives it one thing to do at a time."""

    def __init__(self, model: M) -> None:
        self.name = model.name
        self._model = model
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=model.name)
        self._loaded: Future[None] = self._thread.submit(model.load)

    @property
    def state(self) -> State:
        if not self._loaded.done():
            return "loading"
        return "failed" if self._loaded.exception() else "ready"

    async def run(self, work: Callable[[M], R]) -> R:
        """The result of the work, once the model is loaded and all earlier work is done. Raises what loading raised."""
        return await asyncio.wrap_future(self._thread.submit(self._work, work))

    def close(self) -> None:
        """Drops what waits. What is being computed goes on in its thread: a model cannot be stopped half-way."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _work(self, work: Callable[[M], R]) -> R:
        self._loaded.result()
        return work(self._model)
