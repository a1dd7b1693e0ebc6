"""The two clients. Each method of one is the other's, awaited."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from types import TracebackType
from typing import Any, Literal, Self

import httpx
from tenacity import AsyncRetrying, Retrying

from chronos.api import forms
from chronos.client import calls
from chronos.client.calls import Call, R, Run, Until
from chronos.client.errors import NotFound
from chronos.client.settings import TIMEOUT, Connection, again, read, until_there
from chronos.client.watching import Watch
from schemas.event import Command

HOUR = 3600.0  # seconds


class Chronos:
    """Sends, waits and asks; each call blocks. Close it at the end, or use it as a context. Threads may share it."""

    def __init__(
        self,
        url: str | None = None,
        *,
        event_key: str | None = None,
        reading_key: str | None = None,
        patience: float = 30.0,
    ) -> None:
        """`patience`: for how many seconds to try again what passes by itself.

        Raises:
            BadSetting.
        """
        self._connection = Connection.of(url, event_key, reading_key)
        self._patience = patience
        self._http = httpx.Client(timeout=TIMEOUT)

    def send(
        self,
        event: Command | str,
        *,
        idempotency_key: str | None = None,
        wait: Literal["projection"] | None = None,
        **fields: Any,
    ) -> forms.Sent:
        """Sends one command: one of `schemas`, or the name of its topic with its fields. The same idempotency key again
        gives the first answer; without one each call is a new event. `wait`: answer when the tables hold it."""
        return self._do(calls.send(event, fields, idempotency_key, wait))

    def send_many(self, events: Iterable[Command], *, idempotency_key: str | None = None) -> list[forms.Sent]:
        """Sends many, in their order, a thousand a request: none of a thousand where one of them is wrong."""
        return calls.in_order([self._do(call) for call in calls.send_many(events, idempotency_key)])

    def wait(self, run: Run, *, until: Until = "completed", timeout: float = HOUR) -> forms.Run:
        """Waits until a run has come so far; `run`: what `send` gave for a video, or a run id. `timeout`: seconds.

        Raises:
            VideoFailed, VideoCancelled, NotYet.
        """
        watch = Watch(run, until, timeout)
        while watch.left() > 0:
            if found := self._listen(watch) or Retrying(**until_there(watch.looking()))(self._look, watch):
                return found
        raise watch.over()

    def _listen(self, watch: Watch) -> forms.Run | None:
        """Until the stream tells it, or breaks off. It is opened before the look: nothing is missed between the two."""
        request = self._connection.request(calls.changes(watch.run)) | watch.stream()
        with suppress(httpx.TransportError), self._http.stream(**request) as answer:
            if found := self._look(watch):
                return found
            any(watch.hears(line) for line in (answer.iter_lines() if answer.is_success else ()))
        return None

    def _look(self, watch: Watch) -> forms.Run | None:
        try:
            return watch.reached(self.run(watch.run))
        except NotFound:  # the tables do not hold it yet
            return None

    def run(self, run: Run) -> forms.Trace:
        """A run: how far it is, what each function did in it, what it used."""
        return self._do(calls.run(run))

    def video(self, creator: str, video_id: str) -> forms.VideoDetail:
        """A video: how far it is, what is known of its file, what it cost."""
        return self._do(calls.video(creator, video_id))

    def transcript(self, creator: str, video_id: str) -> forms.Transcript:
        """A video's newest transcript."""
        return self._do(calls.transcript(creator, video_id))

    def search(self, words: str, *, creator: str | None = None, limit: int = 10) -> list[forms.Hit]:
        """Where something is said, to the second; the best first."""
        return self._do(calls.search(words, creator, limit)).hits

    def usage(
        self, *, creator: str | None = None, since: date | None = None, before: date | None = None
    ) -> list[forms.DayUsed]:
        """What was used and paid, by creator, function, model and day (UTC)."""
        return self._do(calls.usage(creator, since, before)).usage

    def failures(
        self, *, creator: str | None = None, function: str | None = None, limit: int = 50
    ) -> list[forms.Failure]:
        """What failed and still stands, the newest first."""
        return self._do(calls.failures(creator, function, limit)).failures

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _do(self, call: Call[R]) -> R:
        answer: R = Retrying(**again(self._patience))(self._once, call)
        return answer

    def _once(self, call: Call[R]) -> R:
        try:
            answer = self._http.request(**self._connection.request(call))
        except httpx.TransportError as error:
            raise self._connection.not_reached(error) from error
        return read(call, answer)


class AsyncChronos:
    """Sends, waits and asks; each call is awaited. Close it at the end, or use it as a context."""

    def __init__(
        self,
        url: str | None = None,
        *,
        event_key: str | None = None,
        reading_key: str | None = None,
        patience: float = 30.0,
    ) -> None:
        """As `Chronos`."""
        self._connection = Connection.of(url, event_key, reading_key)
        self._patience = patience
        self._http = httpx.AsyncClient(timeout=TIMEOUT)

    async def send(
        self,
        event: Command | str,
        *,
        idempotency_key: str | None = None,
        wait: Literal["projection"] | None = None,
        **fields: Any,
    ) -> forms.Sent:
        """As `Chronos.send`."""
        return await self._do(calls.send(event, fields, idempotency_key, wait))

    async def send_many(self, events: Iterable[Command], *, idempotency_key: str | None = None) -> list[forms.Sent]:
        """As `Chronos.send_many`."""
        return calls.in_order([await self._do(call) for call in calls.send_many(events, idempotency_key)])

    async def wait(self, run: Run, *, until: Until = "completed", timeout: float = HOUR) -> forms.Run:  # noqa: ASYNC109 - as Chronos.wait
        """As `Chronos.wait`."""
        watch = Watch(run, until, timeout)
        while watch.left() > 0:
            looking = AsyncRetrying(**until_there(watch.looking()))
            if found := await self._listen(watch) or await looking(self._look, watch):
                return found
        raise watch.over()

    async def _listen(self, watch: Watch) -> forms.Run | None:
        request = self._connection.request(calls.changes(watch.run)) | watch.stream()
        with suppress(httpx.TransportError):
            async with self._http.stream(**request) as answer:
                if found := await self._look(watch):
                    return found
                if answer.is_success:
                    async for line in answer.aiter_lines():
                        if watch.hears(line):
                            break
        return None

    async def _look(self, watch: Watch) -> forms.Run | None:
        try:
            return watch.reached(await self.run(watch.run))
        except NotFound:  # the tables do not hold it yet
            return None

    async def run(self, run: Run) -> forms.Trace:
        """As `Chronos.run`."""
        return await self._do(calls.run(run))

    async def video(self, creator: str, video_id: str) -> forms.VideoDetail:
        """As `Chronos.video`."""
        return await self._do(calls.video(creator, video_id))

    async def transcript(self, creator: str, video_id: str) -> forms.Transcript:
        """As `Chronos.transcript`."""
        return await self._do(calls.transcript(creator, video_id))

    async def search(self, words: str, *, creator: str | None = None, limit: int = 10) -> list[forms.Hit]:
        """As `Chronos.search`."""
        return (await self._do(calls.search(words, creator, limit))).hits

    async def usage(
        self, *, creator: str | None = None, since: date | None = None, before: date | None = None
    ) -> list[forms.DayUsed]:
        """As `Chronos.usage`."""
        return (await self._do(calls.usage(creator, since, before))).usage

    async def failures(
        self, *, creator: str | None = None, function: str | None = None, limit: int = 50
    ) -> list[forms.Failure]:
        """As `Chronos.failures`."""
        return (await self._do(calls.failures(creator, function, limit))).failures

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _do(self, call: Call[R]) -> R:
        answer: R = await AsyncRetrying(**again(self._patience))(self._once, call)
        return answer

    async def _once(self, call: Call[R]) -> R:
        try:
            answer = await self._http.request(**self._connection.request(call))
        except httpx.TransportError as error:
            raise self._connection.not_reached(error) from error
        return read(call, answer)
