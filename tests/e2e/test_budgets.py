"""A budget of a dollar and a backlog of five: held at one, on at five, nothing lost, and not a cent over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from chronos import queries
from tests.e2e.conftest import serving
from tests.e2e.test_deadletters import chronos
from tests.films import film, noise
from tests.stack import Hands, Stack, new_stack, until

CENTS = 48  # that ten seconds cost here
PRICES = {"CHRONOS_SPEECH_PRICES": json.dumps({"whisper-1": CENTS * 10_000 * 6})}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_functions(more=PRICES)
        stack.start_projection()
        yield stack


async def videos(hands: Hands, **counts: int) -> dict[str, int]:
    """Of one creator: how many are completed, and how many a budget holds."""
    (creator,) = counts
    found = await queries.videos(hands.pool, creator_id=creator)
    return {
        "completed": sum(one["status"] == "completed" for one in found),
        "held": sum(one["held"] == "budget" for one in found),
    }


async def spent(hands: Hands, creator: str) -> int:
    return int(
        await hands.pool.fetchval(
            "SELECT coalesce(sum(cost_micro_usd), 0) FROM journal.spends WHERE creator_id = $1", creator
        )
    )


async def ask(hands: Hands, folder: Path, creator: str, lengths: Sequence[float]) -> None:
    for n, seconds in enumerate(lengths):
        file = film(folder / f"{creator}-{n}.mp4", (0, noise(seconds)))
        await hands.ask(f"{creator}-{n}", creator, await hands.upload(file, creator))


async def test_a_backlog_of_five_dollars_is_held_at_one_and_goes_on_at_five(hands: Hands, stack: Stack, tmp_path: Path):
    await chronos(stack, "budget", "set", "ada", "1", "--reason", "a trial")
    await ask(hands, tmp_path, "ada", [9 + n / 10 for n in range(10)])
    await ask(hands, tmp_path, "bob", [3, 4])

    async def held() -> bool:
        return await videos(hands, ada=10) == {"completed": 2, "held": 8}

    await until("two videos for a dollar, and eight that are held", held)
    await until("another creator's videos", lambda: completed(hands, "bob", 2))
    assert 2 * 430_000 < await spent(hands, "ada") <= 1_000_000
    (budget,) = (await chronos(stack, "budget", "list"))["budgets"]
    assert (budget["creatorId"], budget["microUsd"], budget["held"]) == ("ada", 1_000_000, ["transcribe-video"])

    pace = next(one for one in (await chronos(stack, "doctor"))["checks"] if one["name"] == "pace")
    assert (pace["ok"], pace["remedy"]) == (True, "chronos budget list")

    with serving(stack) as api:
        async with httpx.AsyncClient(base_url=api.url, timeout=30.0) as client:
            answer = await client.put("/v1/budgets/ada", json={"microUsd": 5_000_000, "reason": "a good trial"})
    assert answer.raise_for_status().json()["microUsd"] == 5_000_000
    at_one = await spent(hands, "ada")
    await until("all of them", lambda: completed(hands, "ada", 10))
    assert at_one <= 1_000_000 < await spent(hands, "ada") <= 5_000_000
    assert stack.provider.bought_twice() == []
    runs = await hands.pool.fetch("SELECT DISTINCT attempts, waits_since FROM journal.runs WHERE ending = 'completed'")
    assert [tuple(run) for run in runs] == [(1, None)]
    assert (await chronos(stack, "verify"))["differences"] == []


async def test_the_usage_page_shows_budgets_and_sets_them(hands: Hands, stack: Stack):
    with serving(stack) as api:
        async with httpx.AsyncClient(base_url=api.url, timeout=30.0, follow_redirects=True) as client:

            async def send(**fields: str) -> httpx.Response:
                page = (await client.get("/usage")).text
                (token,) = set(re.findall(r'name="csrf" value="([^"]+)"', page))
                return await client.post("/usage/budget", data={"csrf": token, **fields})

            assert "2.5" in (await send(creator="ewa", dollars="2.50")).text
            assert (await send(creator="ewa", dollars="lots")).status_code == 422
            assert (await client.post("/usage/budget", data={"creator": "ewa", "dollars": "9"})).status_code == 403
            assert (await send(creator="", dollars="")).status_code == 422  # sent by mistake: nobody's limit is lifted
            assert "ewa" not in (await send(creator="ewa", drop="yes")).text
            assert (await client.get("/v1/budgets")).json()["budgets"][0]["creatorId"] == "ada"


async def completed(hands: Hands, creator: str, count: int) -> bool:
    return (await videos(hands, **{creator: count}))["completed"] == count


async def test_budgets_come_back_with_a_journal_that_is_rebuilt(hands: Hands, stack: Stack):
    await chronos(stack, "budget", "set", "--everybody", "0.50")
    await chronos(stack, "budget", "set", "carl", "none")
    await chronos(stack, "budget", "set", "dora", "7")
    await chronos(stack, "budget", "drop", "dora")
    before = limits(await chronos(stack, "budget", "list"))
    assert before == {None: 500_000, "ada": 5_000_000, "carl": None}
    await hands.pool.execute("TRUNCATE journal.budgets")
    assert (await chronos(stack, "journal", "rebuild"))["budgets"] == 3
    assert limits(await chronos(stack, "budget", "list")) == before


def limits(found: Any) -> dict[str | None, int | None]:
    return {one["creatorId"]: one["microUsd"] for one in found["budgets"]}


async def test_what_is_no_amount_is_refused(stack: Stack):
    for wrong in ("much", "-1", "1e99", "0.0000001", "NaN"):
        assert "chronos" not in await chronos(stack, "budget", "set", "ada", wrong, code=2)
