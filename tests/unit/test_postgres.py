"""Patience with a database that is away."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from streams import postgres


async def test_it_is_looked_for_again_within_a_second_however_long_it_was_away(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(postgres.asyncio, "sleep", note)

    async def work() -> str:
        if len(waits) < 20:
            raise ConnectionRefusedError
        return "there"

    assert await postgres.patiently(work) == "there"
    assert max(waits) == postgres.LONGEST_WAIT


async def test_what_is_no_absence_is_the_callers():
    async def work() -> None:
        raise ValueError("wrong statement")

    with pytest.raises(ValueError, match="wrong statement"):
        await postgres.patiently(work)


async def test_a_pool_that_we_closed_ourselves_is_not_waited_for():
    async def work() -> None:
        raise asyncpg.InterfaceError("pool is closed")  # what asyncpg says then

    with pytest.raises(asyncpg.InterfaceError):
        await postgres.patiently(work)


async def test_many_that_wait_say_it_once(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr(postgres, "_quiet", postgres._Quiet())
    monkeypatch.setattr(postgres.log, "warning", lambda event, **_: said.append(event))
    failures = iter([ConnectionRefusedError()] * 3)

    async def work() -> None:
        if error := next(failures, None):
            raise error

    await asyncio.gather(*(postgres.patiently(work) for _ in range(3)))
    assert said == ["away"]
