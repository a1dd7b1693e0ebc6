"""Deletions in the journal: what is deleted is never processed, paid or kept again, and what others use stays."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.erasing import Eraser
from streams.identity import Place, outside_run
from streams.journal import NO_REWIND, Asked, Ended, Journal, Lease, Rewind, RunKey, Settlement, prepare
from streams.postgres import Pool, connect
from streams.purchases import Purchase, Purchases, Wish
from tests.stack import until

OLD, DELETION, NEW = (outside_run(Place("t", 0, n), 1_000 * n) for n in (1, 2, 3))
TIDES, BREAD = ("ada", "tides"), ("marco", "bread")


@pytest.fixture
async def pool(new_database: Callable[[], str]) -> AsyncIterator[Pool]:
    pool = await connect(new_database())
    await prepare(pool)
    yield pool
    await pool.close()


def asked(video: tuple[str, str] = TIDES, run_id: str = OLD, *, rewind: Rewind = NO_REWIND) -> Asked:
    return Asked(RunKey("f", "1", str(uuid.uuid4())), run_id, *video, rewind)


def purchase(*keys: str) -> Purchase:
    return Purchase(str(uuid.uuid4()), "audioSeconds", "m", tuple((key, b"said", 1.0, 5) for key in keys))


async def kept(pool: Pool) -> set[str]:
    return {row["key"] for row in await pool.fetch("SELECT key FROM journal.paid")}


async def test_what_only_a_deleted_video_uses_is_erased_and_the_bill_stays(pool: Pool):
    books, eraser = Purchases(pool), Eraser(pool)
    await books.keep(asked(), purchase("its own", "bought first"))
    assert await books.use(asked(BREAD), ["bought first"]) == {"bought first"}
    await books.keep(asked(BREAD), purchase("of another"))
    assert await eraser.count(*TIDES) == (1, 1)
    assert await eraser.erase(*TIDES, DELETION) == 1
    assert await kept(pool) == {"bought first", "of another"}
    assert await pool.fetchval("SELECT sum(cost_micro_usd) FROM journal.spends") == 15
    assert await eraser.erase(*TIDES, DELETION) == 0
    assert await eraser.erase(*BREAD, DELETION) == 2
    assert await kept(pool) == set()


async def test_what_a_newer_request_of_the_same_video_uses_stays(pool: Pool):
    books = Purchases(pool)
    await books.keep(asked(), purchase("again", "once"))
    await books.use(asked(run_id=NEW), ["again"])
    assert await Eraser(pool).erase(*TIDES, DELETION) == 1
    assert await kept(pool) == {"again"}


@pytest.mark.parametrize("ending", ["completed", "failed", None])
async def test_no_rewind_and_no_new_version_runs_a_deleted_video_again(pool: Pool, ending: str | None):
    journal, run = Journal(pool), asked()
    lease = await journal.begin(run)
    assert isinstance(lease, Lease)
    await journal.settle(Settlement(lease, ending=ending, told=ending is not None))  # type: ignore[arg-type]
    await Eraser(pool).erase(*TIDES, DELETION)
    again = Rewind(7, reemit=True)
    assert await journal.over("f", "1", [(run.key.input_id, again)]) == {run.key.input_id}
    for key in (run.key, run.key._replace(fingerprint="2"), RunKey("g", "1", str(uuid.uuid4()))):
        found = await journal.begin(replace(run, key=key, rewind=again))
        assert isinstance(found, Ended)
        assert (found.ending, found.told) == ("cancelled", True)
    assert isinstance(await journal.begin(asked(run_id=NEW)), Lease)
    namesake = asked(("marco", "tides"), outside_run(Place("t", 0, 9), 1_000))
    assert isinstance(await journal.begin(namesake), Lease)


async def test_a_run_under_way_is_called_off_and_what_it_still_gets_is_not_kept(pool: Pool):
    journal, books, run = Journal(pool), Purchases(pool), asked()
    lease = await journal.begin(run)
    assert isinstance(lease, Lease)
    await Eraser(pool).erase(*TIDES, DELETION)
    late = purchase("in the air")
    assert (await books.keep(run, late))["in the air"].result == b"said"
    assert await kept(pool) == set()
    assert [spend.token for spend in await books.spends(run.key)] == [late.token]
    assert (await books.claim(Wish(run, "p", "m", ("another",)))).cancelled
    await journal.renew()
    assert lease.cancelled
    await journal.settle(Settlement(lease, ending="completed", told=True))  # it was past its last step already
    assert isinstance(found := await journal.begin(replace(run, rewind=Rewind(1, reemit=True))), Ended)
    assert found.ending == "cancelled"


async def settled(journal: Journal, run: Asked, **how: Any) -> Lease:
    """After an attempt that took a step."""
    lease = await journal.begin(run)
    assert isinstance(lease, Lease)
    with lease.trail.step("download", "download"):
        pass
    await journal.settle(Settlement(lease, **how))
    return lease


async def test_trails_go_with_their_video_and_none_comes_after(pool: Pool):
    journal, under_way = Journal(pool), asked()
    for run in (asked(), asked(run_id=NEW), asked(BREAD)):
        await settled(journal, run, ending="completed", told=True)
    lease = await journal.begin(under_way)
    assert isinstance(lease, Lease)
    with lease.trail.step("download", "download"):
        await journal.renew()
    await Eraser(pool).erase(*TIDES, DELETION)
    left = "SELECT creator_id, run_id FROM journal.trails JOIN journal.runs USING (function, fingerprint, input_id)"
    stays = {("ada", NEW), ("marco", OLD)}
    assert {(row["creator_id"], str(row["run_id"])) for row in await pool.fetch(left)} == stays
    with lease.trail.step("extract-audio", "extract-audio"):
        await journal.renew()
    assert await journal.settle(Settlement(lease, ending="cancelled", told=True))
    assert {(row["creator_id"], str(row["run_id"])) for row in await pool.fetch(left)} == stays


async def test_a_trail_that_is_written_while_its_video_is_deleted_is_not_left_behind(pool: Pool):
    run = asked()
    await Journal(pool).begin(run)
    write = "UPDATE journal.runs AS r SET told = false RETURNING journal.keep_trail(r, 1, 0, 1.0, '{}')"
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"

    async def deletion_waits() -> bool:
        return bool(await pool.fetchval(waits))

    async with pool.acquire() as writer, writer.transaction():
        await writer.execute(write)  # the deletion's mark is not there yet
        erasing = asyncio.create_task(Eraser(pool).erase(*TIDES, DELETION))
        await until("the deletion waits for who writes", deletion_waits)
    await erasing
    await pool.execute(write)
    assert await pool.fetchval("SELECT count(*) FROM journal.trails") == 0


async def test_a_backup_that_reads_the_journal_holds_nobody_up(pool: Pool):
    """It would else hold up every worker behind the deletion that waits for it."""
    async with pool.acquire() as backup, backup.transaction():
        await backup.fetch("SELECT * FROM journal.deleted")
        await asyncio.wait_for(Eraser(pool).erase(*TIDES, DELETION), 10)
        assert isinstance(await asyncio.wait_for(Journal(pool).begin(asked(BREAD)), 10), Lease)


async def test_an_older_journal_learns_from_its_spends_who_uses_what(pool: Pool):
    await Purchases(pool).keep(asked(), purchase("one", "two"))
    await pool.execute("DROP TABLE journal.uses")
    await prepare(pool)
    assert await Eraser(pool).count(*TIDES) == (2, 0)


async def test_an_older_deletion_that_comes_late_takes_no_mark_back(pool: Pool):
    eraser = Eraser(pool)
    await eraser.erase(*TIDES, NEW)
    await eraser.erase(*TIDES, DELETION)
    assert str(await pool.fetchval("SELECT run_id FROM journal.deleted")) == NEW
    assert await eraser.deletions([TIDES, BREAD, ("ada", None)]) == {TIDES: datetime.fromtimestamp(3, UTC)}


async def test_runs_and_purchases_in_a_race_with_a_deletion_leave_nothing_behind(pool: Pool):
    """Each either sees the mark or is seen by the deletion: no run goes on, and nothing stays paid that nobody uses."""
    for n in range(15):
        journals, books = [Journal(pool) for _ in range(3)], [Purchases(pool) for _ in range(3)]
        video = ("ada", f"video {n}")
        runs = [asked(video) for _ in range(6)]
        await books[0].keep(runs[0], purchase(f"shared {n}"))
        jobs = [journals[i % 3].begin(run) for i, run in enumerate(runs)]
        jobs += [books[i % 3].keep(run, purchase(f"{n}-{i}")) for i, run in enumerate(runs)]
        jobs += [books[2].use(asked(BREAD), [f"shared {n}"]), Eraser(pool).erase(*video, DELETION)]
        *_, used, _ = await asyncio.gather(*jobs)
        granted = await pool.fetch(
            "SELECT run_id FROM journal.runs WHERE video_id = $1 AND ending IS DISTINCT FROM 'cancelled' "
            "AND run_id NOT IN (SELECT run_id FROM journal.cancelled)", video[1],
        )  # fmt: skip
        assert granted == []
        assert {key for key in await kept(pool) if key.endswith(f" {n}")} == used
        assert not {key for key in await kept(pool) if key.startswith(f"{n}-")}
