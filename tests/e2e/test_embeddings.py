"""chronos embeddings on a running system: a model is filled, compared, switched to and left while people search."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chronos import comparing, doctor_checks, filling, spaces
from chronos.comparing import TooDifferent
from chronos.config import Settings
from chronos.searching import search
from chronos.verifying import verify
from tests.e2e.test_rewind import caught_up, chronos, spent, videos
from tests.stack import Hands, Stack, new_stack, until

SMALL, LARGE, NOISE = "text-embedding-3-small/1536", "text-embedding-3-large/3072", "noise/64"
CHUNKING = {"shortest": 12, "aim": 18, "longest": 24, "overlap": 2}  # many chunks: ten of them are not all


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_functions(more={"CHRONOS_CHUNKING": json.dumps(CHUNKING)})
        stack.start_projection()
        yield stack


@pytest.fixture
def settings(hands: Hands) -> Settings:
    return hands.settings.model_copy(update={"chunking": CHUNKING})


async def test_another_model_is_filled_beside_the_active_one_as_planned_and_then_switched_to_and_back(
    hands: Hands, settings: Settings, stack: Stack, tmp_path: Path
):
    await videos(hands, tmp_path, "before", 6, seconds=20)
    await until("all is acked", lambda: caught_up(hands))
    async with people_search(hands) as found:
        calls, cost = await purchases(hands), await spent(hands)
        planned = await filling.plan(settings, LARGE)
        assert (planned.videos, planned.needs.calls) == (6, 6)
        filled = await filling.build(settings, LARGE, reason="a test")
        assert (filled.videos, filled.failed) == (6, [])
        await until("all is acked", lambda: caught_up(hands))
        assert await purchases(hands) - calls == planned.needs.calls
        assert await spent(hands) - cost == planned.needs.cost_micro_usd > 0
        assert await states(hands) == {SMALL: ("active", 6), LARGE: ("building", 6)}

        await videos(hands, tmp_path, "afterwards", 2, seconds=20)
        assert await states(hands) == {SMALL: ("active", 8), LARGE: ("building", 8)}

        compared = await comparing.compare(settings, LARGE, [])
        assert compared.lacking == 0
        assert compared.overlap > 0.8
        assert compared.recall() is not None
        assert min(compared.recall() or (0,)) > 0.9

        began = time.monotonic()
        done = await chronos(stack, "embeddings", "switch", LARGE, "--min-overlap", "0.8", "--reason", "a test")
        assert done.exit_code == 0, done.stderr
        assert time.monotonic() - began < 5
        assert await served(hands) == {LARGE: 8}
        began = time.monotonic()
        assert await spaces.rollback(settings, None) == SMALL
        assert time.monotonic() - began < 5
        assert await served(hands) == {SMALL: 8}
    assert found
    assert (await verify(hands.settings)).ok


async def test_a_worse_model_does_not_pass_the_gate(hands: Hands, settings: Settings, stack: Stack):
    await filling.build(settings, NOISE)
    done = await chronos(stack, "embeddings", "switch", NOISE, "--min-overlap", "0.6")
    assert done.exit_code == 1
    assert "nothing was switched" in done.stderr
    assert await served(hands) == {SMALL: 8}
    recall = (await comparing.compare(settings, NOISE, [])).recall()
    assert recall is not None
    assert recall[1] < 0.8 < recall[0]  # by chance alone ten hits of 24 hold it with 0.42


async def test_what_is_dropped_is_gone_and_costs_nothing_to_build_again(
    hands: Hands, settings: Settings, stack: Stack, tmp_path: Path
):
    await spaces.drop(settings, NOISE, "a test")
    assert await states(hands) == {SMALL: ("active", 8), LARGE: ("before", 8), NOISE: ("retired", 0)}
    assert await hands.pool.fetchval("SELECT count(*) FROM embeddings WHERE space = $1", NOISE) == 0
    await videos(hands, tmp_path, "without", 1, seconds=20)
    assert await states(hands) == {SMALL: ("active", 9), LARGE: ("before", 9), NOISE: ("retired", 0)}
    assert (await verify(hands.settings)).ok

    planned = await filling.plan(settings, NOISE)
    assert (planned.videos, planned.needs.calls) == (9, 1)
    calls = await purchases(hands)
    await filling.build(settings, NOISE)
    await until("all is acked", lambda: caught_up(hands))
    assert await purchases(hands) - calls == 1
    assert (await states(hands))[NOISE] == ("building", 9)
    assert (await verify(hands.settings)).ok  # folded anew, the vectors of before the drop are gone as well
    await spaces.drop(settings, NOISE, "a test")


async def test_an_abort_calls_off_what_was_asked_for_and_the_same_again_goes_on(
    hands: Hands, settings: Settings, stack: Stack
):
    started = asyncio.Event()
    at_work = asyncio.create_task(filling.build(settings, "multilingual-e5-small/384", batch=2, progress=tell(started)))
    with pytest.raises(Exception, match="CHRONOS_EMBEDDING_PRICES"):
        await at_work
    at_work = asyncio.create_task(
        filling.build(settings, "text-embedding-3-small/256", batch=2, progress=tell(started))
    )
    await started.wait()
    at_work.cancel()
    await asyncio.gather(at_work, return_exceptions=True)
    known = await states(hands)
    assert 0 < known["text-embedding-3-small/256"][1] < 9
    with pytest.raises(TooDifferent, match="are not in"):
        comparing.gate(await comparing.compare(settings, "text-embedding-3-small/256", None), None, partial=False)
    await filling.build(settings, "text-embedding-3-small/256", batch=2)
    assert (await states(hands))["text-embedding-3-small/256"] == ("building", 9)
    await until("all is acked", lambda: caught_up(hands))
    assert (await verify(hands.settings)).ok


async def test_doctor_names_the_space_and_what_to_do_where_its_model_is_not_allowed(settings: Settings):
    assert (await doctor_checks.spaces(settings)).found == f"search uses {SMALL}"
    elsewhere = settings.model_copy(update={"local_ai": True, "embedding_model": "multilingual-e5-small"})
    found = await doctor_checks.spaces(elsewhere)
    assert (found.ok, "CHRONOS_EMBEDDING_PRICES" in found.remedy) == (False, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "gpt-9/12", "--yes"], "has no price here"),
        (["plan", "text-embedding-3-large"], "say model/dimensions"),
        (["compare", "never/1"], "no embedding space 'never/1' is in use"),
        (["switch", "never/1"], "no embedding space 'never/1' is in use"),
        (["switch", SMALL], "search uses text-embedding-3-small/1536 already"),
        (["drop", SMALL], "switch` to another one first"),
        (["drop", NOISE], "no embedding space 'noise/64' is in use"),
    ],
)
async def test_what_makes_no_sense_is_one_line(hands: Hands, stack: Stack, words: list[str], said: str):
    done = await chronos(stack, "embeddings", *words)
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def tell(event: asyncio.Event) -> filling.Progress:
    """Sets the event when some of the videos are done."""

    def progress(what: str, share: float) -> None:
        if share > 0:
            event.set()

    return progress


@asynccontextmanager
async def people_search(hands: Hands) -> AsyncIterator[list[int]]:
    """Somebody searches all the time; an error is raised at the end of the block, and a search without a hit is one."""
    found: list[int] = []

    async def ask() -> None:
        while True:
            hits = await search(hands.settings, "tide and moon", None)
            assert hits
            found.append(len(hits))

    asking = asyncio.create_task(ask())
    try:
        yield found
        assert not asking.done(), asking.exception()
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def purchases(hands: Hands) -> int:
    """Paid calls of the functions; people's questions are not among them."""
    return int(await hands.pool.fetchval("SELECT count(*) FROM journal.spends WHERE function = 'generate-embeddings'"))


async def states(hands: Hands) -> dict[str, tuple[str, int]]:
    return {space.name: (space.state, space.videos) for space in await spaces.known(hands.pool)}


async def served(hands: Hands) -> dict[str, int]:
    rows = await hands.pool.fetch("SELECT space, count(*) AS videos FROM served GROUP BY space")
    return {row["space"]: row["videos"] for row in rows}
