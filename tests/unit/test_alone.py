"""Who is to be alone is alone, and nobody waits for ever behind one who gave up waiting."""

from __future__ import annotations

import asyncio

import pytest

from streams.alone import Company


async def test_a_run_that_is_to_be_alone_waits_for_the_others_and_holds_up_the_next():
    company, said = Company(), []

    async def ordinary(name: str, seconds: float) -> None:
        async with company.beside():
            said.append(f"{name} begins")
            await asyncio.sleep(seconds)
            said.append(f"{name} ends")

    async def alone() -> None:
        async with company.alone():
            said.append("alone begins")
            await asyncio.sleep(0.01)
            said.append("alone ends")

    first = asyncio.create_task(ordinary("first", 0.02))
    await asyncio.sleep(0)
    await asyncio.gather(alone(), ordinary("second", 0.0), first)
    assert said == ["first begins", "first ends", "alone begins", "alone ends", "second begins", "second ends"]


async def test_who_waits_behind_one_that_is_called_off_goes_on():
    company = Company()
    async with company.beside():
        wanting = asyncio.create_task(company.alone().__aenter__())
        await asyncio.sleep(0)
        behind = asyncio.create_task(company.beside().__aenter__())
        await asyncio.sleep(0)
        assert not behind.done()
        wanting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wanting
        await asyncio.wait_for(behind, 1)
