"""The journal on a real Postgres: one owner at a time, attempts counted once, nothing kept twice."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from streams import trail
from streams.journal import Asked, Crowded, Ended, Journal, Later, Lease, Rewind, RunKey, Settlement, Suspect
from streams.postgres import Pool
from streams.purchases import Purchase, Purchases, Wish
from streams.retry import Problem


def asked(rewind: int = 0, creator: str | None = None, *, alone: bool = False) -> Asked:
    key = RunKey("f", "1", str(uuid.uuid4()))
    return Asked(key, str(uuid.uuid4()), creator or str(uuid.uuid4()), "tides", Rewind(rewind), alone=alone)


async def test_a_run_has_one_owner_at_a_time(pool: Pool):
    one, other, run = Journal(pool), Journal(pool), asked()
    assert isinstance(await one.begin(run), Lease)
    assert isinstance(await other.begin(run), Later)


async def test_a_death_is_no_attempt_and_the_next_owner_goes_on(pool: Pool):
    dying, next_owner, run = Journal(pool, lease=0.2), Journal(pool), asked()
    first = await dying.begin(run)
    await asyncio.sleep(0.3)
    second = await next_owner.begin(run)
    assert isinstance(second, Lease)
    assert (second.attempt, second.crashes) == (1, 1)
    assert second.sequence == first.sequence  # what it says again has the same place
    assert not first.is_good()
    assert not await dying.settle(Settlement(first, ending="completed", told=True))  # fenced: nothing is written
    assert await next_owner.settle(Settlement(second, ending="completed", told=True))


async def test_a_done_run_is_not_run_again_but_under_a_new_fingerprint(pool: Pool):
    journal, run = Journal(pool), asked()
    await journal.settle(Settlement(await journal.begin(run), ending="completed", told=True))
    assert await journal.begin(run) == Ended("completed", True, None, 1, (await journal.begin(run)).sequence)
    newer = Asked(run.key._replace(fingerprint="2"), run.run_id, run.creator_id, "tides")
    assert isinstance(await journal.begin(newer), Lease)


async def test_a_retry_waits_and_counts_and_a_deploy_does_not(pool: Pool):
    journal, run = Journal(pool), asked()
    lease = await journal.begin(run)
    await journal.settle(Settlement(lease, refund=True))  # a shutdown gives it back
    lease = await journal.begin(run)
    assert lease.attempt == 1
    await journal.settle(Settlement(lease, problem=Problem("Busy", "no", True), wait=0.2))
    assert isinstance(await journal.begin(run), Later)
    await asyncio.sleep(0.25)
    assert (await journal.begin(run)).attempt == 2


async def test_an_ending_that_was_stored_and_not_told_is_found_by_who_comes_next(pool: Pool):
    journal, run = Journal(pool), asked()
    problem = Problem("ObjectMissing", "it is gone", False)
    await journal.settle(Settlement(await journal.begin(run), ending="failed", problem=problem, release=False))
    found = await Journal(pool).begin(run)
    assert isinstance(found, Ended)
    assert (found.ending, found.told, found.problem) == ("failed", False, problem)


async def test_a_rewind_gives_failed_runs_fresh_attempts_and_leaves_completed_ones(pool: Pool):
    journal, failed, completed = Journal(pool), asked(), asked()
    problem = Problem("SpeechUnavailable", "down", True)
    await journal.settle(Settlement(await journal.begin(failed), ending="failed", problem=problem, told=True))
    await journal.settle(Settlement(await journal.begin(completed), ending="completed", told=True))
    again = Asked(failed.key, failed.run_id, "ada", "tides", Rewind(1))
    assert (await journal.begin(again)).attempt == 1
    assert isinstance(await journal.begin(Asked(completed.key, completed.run_id, "ada", "tides", Rewind(1))), Ended)


async def test_of_two_purchases_of_one_thing_the_first_stands_and_both_are_on_the_bill(pool: Pool):
    books, run, key = Purchases(pool), asked(), str(uuid.uuid4())
    bought = [Purchase(str(uuid.uuid4()), "audioSeconds", "m", ((key, answer, 1.0, 5),)) for answer in (b"1st", b"2nd")]
    assert (await books.keep(run, bought[0]))[key].result == b"1st"
    assert (await books.keep(run, bought[1]))[key].result == b"1st"
    assert sum(spend.cost_micro_usd for spend in await books.spends(run.key)) == 10


async def test_ten_runs_of_a_creator_begin_in_the_whole_cluster_and_the_next_when_one_ends(pool: Pool):
    workers = [Journal(pool) for _ in range(3)]
    runs = [asked(creator="grace") for _ in range(40)]
    grants = await asyncio.gather(*(workers[n % 3].begin(run) for n, run in enumerate(runs)))
    leases = [grant for grant in grants if isinstance(grant, Lease)]
    assert len(leases) == 10
    assert isinstance(await workers[0].begin(asked(creator="another")), Lease)
    left = [run for run, grant in zip(runs, grants, strict=True) if not isinstance(grant, Lease)]
    assert isinstance(await workers[0].begin(left[0]), Crowded)
    await workers[0].settle(Settlement(leases[0], ending="completed", told=True))
    assert isinstance(await workers[1].begin(left[0]), Lease)


async def test_what_killed_three_workers_is_taken_alone_and_dies_alone(pool: Pool):
    dying, run = Journal(pool, lease=0.05), asked()
    for crashes in range(3):
        assert (await dying.begin(run)).crashes == crashes
        await asyncio.sleep(0.06)
    assert isinstance(await dying.begin(run), Suspect)
    for crashes in range(3):
        lease = await dying.begin(Asked(run.key, run.run_id, run.creator_id, run.video_id, alone=True))
        assert (lease.attempt, lease.crashes_alone) == (1, crashes)
        await asyncio.sleep(0.06)


async def test_a_cancelled_run_begins_no_more_and_buys_no_more(pool: Pool):
    journal, books, waiting, running = Journal(pool), Purchases(pool), asked(), asked()
    lease = await journal.begin(running)
    for run in (waiting, running):
        await journal.cancel(run.run_id)
    found = await journal.begin(waiting)
    assert isinstance(found, Ended)
    assert (found.ending, found.told) == ("cancelled", True)
    assert (await books.claim(Wish(running, "p", "m", ("cancelled-key",)))).cancelled
    await journal.renew()
    assert lease.cancelled


async def test_two_who_want_the_same_make_one_call_and_the_second_gets_its_answer(pool: Pool):
    one, other, run, key = Purchases(pool), Purchases(pool), asked(), str(uuid.uuid4())
    first, second = Wish(run, "p", "m", (key,)), Wish(run, "p", "m", (key, key + "-2"))
    assert (await one.claim(first)).granted == (key,)
    assert (await other.claim(second)).granted == (key + "-2",)
    await one.keep(run, Purchase(first.token, "audioSeconds", "m", ((key, b"x", 1.0, 5),)))
    again = await other.claim(Wish(run, "p", "m", (key,)))
    assert again.granted == ()
    assert again.results[key].result == b"x"


async def test_a_call_whose_worker_died_is_made_by_the_next(pool: Pool):
    dying, next_one, run, key = Purchases(pool, lease=0.05), Purchases(pool), asked(), str(uuid.uuid4())
    assert (await dying.claim(Wish(run, "p", "m", (key,)))).granted
    assert not (await next_one.claim(Wish(run, "p", "m", (key,)))).granted
    await asyncio.sleep(0.06)
    assert (await next_one.claim(Wish(run, "p", "m", (key,)))).granted


async def test_a_hundred_claims_of_one_thing_grant_one(pool: Pool):
    books, run, key = [Purchases(pool) for _ in range(4)], asked(), str(uuid.uuid4())
    claims = await asyncio.gather(*(books[n % 4].claim(Wish(run, "p", "m", (key,))) for n in range(100)))
    assert sum(bool(claim.granted) for claim in claims) == 1


async def test_a_choice_is_made_once(pool: Pool):
    journal, name = Journal(pool), str(uuid.uuid4())
    assert await journal.chosen(name) is None
    assert await journal.choose(name, b"first") == b"first"
    assert await journal.choose(name, b"second") == b"first"


async def test_a_thousand_runs_begin_in_few_statements(pool: Pool):
    journal = Journal(pool)
    grants = await asyncio.gather(*(journal.begin(asked()) for _ in range(1000)))
    assert all(isinstance(grant, Lease) for grant in grants)


async def trails(pool: Pool, run: Asked) -> list[tuple[int, int, dict[str, Any]]]:
    rows = await pool.fetch("SELECT * FROM journal.trails WHERE input_id = $1 ORDER BY begun_at", run.key.input_id)
    return [(row["attempt"], row["crashes"], json.loads(row["trail"])) for row in rows]


def names(found: list[tuple[int, int, dict[str, Any]]]) -> list[tuple[int, int, list[str]]]:
    return [(attempt, crashes, [step["name"] for step in trail["steps"]]) for attempt, crashes, trail in found]


async def test_each_attempt_leaves_its_trail_by_the_databases_clock(pool: Pool):
    journal, run = Journal(pool), asked()
    for name, ending in (("first", None), ("second", "completed")):
        lease = await journal.begin(run)
        with lease.trail.followed(), lease.trail.step(name, name):
            trail.say({"level": "warning", "event": "odd \0 text"})
        await journal.settle(Settlement(lease, ending=ending, told=bool(ending), wait=None if ending else 0.0))
    found = await trails(pool, run)
    assert names(found) == [(1, 0, ["first"]), (2, 0, ["second"])]
    assert [line["event"] for line in found[0][2]["lines"]] == ["odd  text"]
    order = "SELECT t.begun_at >= r.begun_at AND t.begun_at + make_interval(secs => seconds) <= clock_timestamp() "
    joined = (
        "FROM journal.trails AS t JOIN journal.runs AS r USING (function, fingerprint, input_id) WHERE input_id = $1"
    )
    assert {row[0] for row in await pool.fetch(order + joined, run.key.input_id)} == {True}


async def test_a_long_attempt_can_be_watched_and_one_whose_worker_died_keeps_what_it_had_done(pool: Pool):
    dying, next_owner, run = Journal(pool, lease=0.2), Journal(pool), asked()
    lease = await dying.begin(run)
    with lease.trail.step("download", "download"):
        await dying.renew()
        [(_, _, seen)] = await trails(pool, run)
        assert seen["steps"][0]["seconds"] is None
    await dying.renew()
    await asyncio.sleep(0.3)  # the lease runs out
    second = await next_owner.begin(run)
    with second.trail.step("again", "again"):
        pass
    with lease.trail.step("too late", "too late"):
        pass
    await dying.renew()
    assert not await dying.settle(Settlement(lease, ending="completed", told=True))
    await next_owner.settle(Settlement(second, ending="completed", told=True))
    assert names(await trails(pool, run)) == [(1, 0, ["download"]), (1, 1, ["again"])]


async def test_a_trail_goes_after_a_fortnight(pool: Pool):
    journal, runs = Journal(pool), [asked(), asked()]
    for run in runs:
        lease = await journal.begin(run)
        with lease.trail.step("download", "download"):
            pass
        await journal.settle(Settlement(lease, ending="completed", told=True))
    older = "UPDATE journal.trails SET begun_at = begun_at - interval '15 days' WHERE input_id = $1"
    await pool.execute(older, runs[0].key.input_id)
    await journal.prune()
    assert [len(await trails(pool, run)) for run in runs] == [0, 1]
