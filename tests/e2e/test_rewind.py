"""chronos rewind on a running system: the plan is kept, what is over costs nothing, and the words mean Kafka's own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from chronos import app, offsets, planning, rewinding
from chronos.choosing import FIELDS, Question
from chronos.cli import root
from chronos.conditions import condition
from chronos.devstack.kafka import kafka_tool
from chronos.offsets import Current, Earliest
from chronos.sending import Sent
from schemas.topics import TOPICS
from streams.envelope import read_headers
from streams.reading import LogScan
from streams.record import Record
from tests.e2e.test_recovery import rows
from tests.films import film, noise
from tests.stack import Hands, Stack, until

TRANSCRIBE, EMBED = "chronos.transcribe-video", "chronos.generate-embeddings"


async def test_running_workers_go_back_what_is_over_is_silent_and_what_failed_is_tried_anew(
    hands: Hands, stack: Stack, tmp_path: Path
):
    await videos(hands, tmp_path, "first", 5)
    lost = await hands.ask("lost", "ada", "ada/nothing.mp4")
    await hands.ending(lost)
    await until("all is acked", lambda: caught_up(hands))
    paid, before, said = len(stack.provider.bill()), await rows(hands), await copies(hands)

    planned = await planning.plan(hands.settings, TRANSCRIBE, Earliest())
    seen = planned.foresight
    assert (seen.events, seen.silent, seen.runs) == (6, 5, 1)
    outcome = await rewinding.execute(hands.settings, planned, reason="a test")
    assert outcome.live
    again = [("function.failed", "lost")]
    await until("what failed is tried anew", lambda: has_been_said_twice(hands, again))
    await until("all is acked", lambda: caught_up(hands))
    assert (await planning.ground(hands.settings, TRANSCRIBE)).committed == {
        p: at for p, (at, _) in planned.moves.items()
    }
    assert len(stack.provider.bill()) == paid
    assert await rows(hands) == before
    now = await copies(hands)
    assert {key for key in now if len(now[key]) > len(said.get(key, []))} - {("operator.acted",)} <= {
        (name, "lost", *rest) for name, _, *rest in (key for key in now if len(key) > 1 and key[1] == "lost")
    }


async def test_what_is_reemitted_is_what_was_said(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "reemit", 3)
    await until("all is acked", lambda: caught_up(hands))
    paid, before = len(stack.provider.bill()), await rows(hands)
    planned = await planning.plan(hands.settings, EMBED, Earliest(), reemit=True)
    assert planned.foresight.runs == planned.foresight.events > 0
    assert planned.foresight.needs.calls == 0
    said = await copies(hands)
    await rewinding.execute(hands.settings, planned, reason=None)
    of_this = [key for key in said if read_function(said[key][0]) == "generate-embeddings"]
    await until("every fact is there twice", lambda: all_twice(hands, said, of_this))
    now = await copies(hands)
    for key in of_this:
        assert len({record.value for record in now[key]}) == 1, key
    assert len(stack.provider.bill()) == paid
    assert await rows(hands) == before


@pytest.mark.parametrize("count", [7, pytest.param(100, marks=pytest.mark.long)])
async def test_a_plan_says_what_happens_to_the_event_and_to_the_millionth(
    hands: Hands, stack: Stack, tmp_path: Path, count: int
):
    """Some videos were cut by another rule: exactly those run, and exactly their new texts are paid for."""
    old = round(count * 0.3)
    chunking = {"shortest": 30, "aim": 40, "longest": 70, "overlap": 5}
    stack.terminate("functions")
    stack.start_functions(more={"CHRONOS_CHUNKING": json.dumps(chunking)})
    mine = f"of-{count}"
    await videos(hands, tmp_path, f"{mine}-old", old, seconds=45)
    await until("all is acked", lambda: caught_up(hands))
    stack.terminate("functions")
    stack.start_functions()
    await videos(hands, tmp_path, f"{mine}-new", count - old, seconds=45)
    await until("all is acked", lambda: caught_up(hands))

    calls, cost = len(stack.provider.calls()), await spent(hands)
    planned = await planning.plan(hands.settings, EMBED, Earliest())
    assert planned.foresight.needs.calls == planned.foresight.runs == old
    assert planned.foresight.silent == planned.foresight.events - old
    await rewinding.execute(hands.settings, planned, reason="chunks")
    await until("all is acked", lambda: caught_up(hands))
    assert len(stack.provider.calls()) - calls == planned.foresight.needs.calls
    assert await spent(hands) - cost == planned.foresight.needs.cost_micro_usd > 0
    assert (await planning.plan(hands.settings, EMBED, Earliest())).foresight.runs == 0


WAYS: dict[str, list[str]] = {
    "earliest": ["--to-earliest"],
    "latest": ["--to-latest"],
    "current": ["--to-current"],
    "back by two": ["--shift-by", "-2"],
    "an offset": ["--to-offset", "1"],
    "a moment": ["--to-datetime", "MIDDLE"],
    "long ago": ["--by-duration", "P30D"],
    "a file": ["--from-file", "FILE"],
}
EDGES: dict[str, list[str]] = {
    "far back": ["--shift-by", "-1000"],
    "beyond the end": ["--to-offset", "1000000"],
    "a moment with a zone": ["--to-datetime", "MIDDLE+00:00"],
    "before the log": ["--to-datetime", "2020-01-01T00:00:00.000"],
    "in the future": ["--to-datetime", "2040-01-01T00:00:00.000"],
}


@pytest.mark.parametrize("ways", [WAYS, pytest.param(EDGES, marks=pytest.mark.long)], ids=["ways", "edges"])
async def test_each_way_means_what_it_means_to_kafkas_own_tool(
    hands: Hands, stack: Stack, tmp_path: Path, ways: dict[str, list[str]]
):
    first = await videos(hands, tmp_path, f"a-{len(ways)}", 3)
    middle = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    await videos(hands, tmp_path, f"b-{len(ways)}", 3)
    await until("all is acked", lambda: caught_up(hands))
    assert stack.terminate("functions") == 0
    listed = tmp_path / "offsets.csv"
    place = first[0].place
    listed.write_text(f"{place.topic},{place.partition},{place.offset}\n")
    words = {"MIDDLE": middle, "MIDDLE+00:00": f"{middle}+00:00", "FILE": str(listed)}
    try:
        for name, way in ways.items():
            said = [words.get(word, word) for word in way]
            theirs = await asyncio.to_thread(of_kafkas_tool, stack, TRANSCRIBE, said)
            ours = await of_ours(stack, TRANSCRIBE, said)
            assert ours == theirs, name
    finally:
        stack.start_functions()


@pytest.mark.long
async def test_a_stopped_group_is_moved_from_outside_and_its_workers_begin_there(
    hands: Hands, stack: Stack, tmp_path: Path
):
    await videos(hands, tmp_path, "stopped", 2)
    await until("all is acked", lambda: caught_up(hands))
    assert stack.terminate("functions") == 0
    paid = len(stack.provider.bill())
    planned = await planning.plan(hands.settings, TRANSCRIBE, Earliest())
    outcome = await rewinding.execute(hands.settings, planned, reason=None)
    assert not outcome.live
    assert (await planning.ground(hands.settings, TRANSCRIBE)).committed == planned.targets
    stack.start_functions()
    await until("all is acked", lambda: caught_up(hands))
    assert len(stack.provider.bill()) == paid


async def test_what_operators_did_is_on_the_log_with_who_and_why(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "history", 1)
    await until("all is acked", lambda: caught_up(hands))
    planned = await planning.plan(hands.settings, TRANSCRIBE, Current())
    done = await rewinding.execute(hands.settings, planned, reason="for the record")
    said = await chronos(stack, "history", "--json")
    last = json.loads(said.stdout)[0]
    assert (last["act"], last["target"], last["reason"]) == ("rewind", TRANSCRIBE, "for the record")
    assert last["by"]
    assert last["plan"] == planned.to_json()
    assert last["outcome"] == done.to_json()


@pytest.mark.long
async def test_the_projection_goes_back_as_well_and_its_rows_stay(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "projected", 2)
    before = await rows(hands)
    planned = await planning.plan(hands.settings, "chronos.projection", Earliest())
    assert (await rewinding.execute(hands.settings, planned, reason=None)).live
    ends = {
        place: high for place, (_, high) in (await planning.ground(hands.settings, "chronos.projection")).ends.items()
    }

    async def at_the_end() -> bool:
        here = (await planning.ground(hands.settings, "chronos.projection")).committed
        return all(here.get(place, 0) >= high for place, high in ends.items() if place in planned.moves)

    await until("all is folded again", at_the_end)
    assert await rows(hands) == before


@pytest.mark.parametrize(("count", "wanted"), [(12, 4), pytest.param(1000, 37, marks=pytest.mark.long)])
async def test_only_what_is_asked_for_runs_again_and_no_offset_moves(
    hands: Hands, stack: Stack, tmp_path: Path, count: int, wanted: int
):
    name = f"asked-{count}"
    await videos(hands, tmp_path, f"{name}-other", count - wanted)
    meant = {one.event.subject() for one in await videos(hands, tmp_path, f"{name}-meant", wanted)}
    await until("all is acked", lambda: caught_up(hands))
    paid, before = len(stack.provider.bill()), await rows(hands)
    at = (await planning.ground(hands.settings, EMBED)).committed
    said = await copies(hands)
    conditions = [condition(f"video~={name}-meant", FIELDS), condition("status=completed", FIELDS)]
    planned = await planning.plan_chosen(hands.settings, EMBED, Question(conditions), reemit=True)
    assert (planned.foresight.runs, planned.foresight.needs.calls) == (wanted, 0)
    await rewinding.execute(hands.settings, planned, reason="only these")

    async def all_again() -> bool:
        now = await copies(hands)
        done = {key[1] for key in now if key[0] == "embeddings.completed" and len(now[key]) > len(said[key])}
        return done == meant

    await until("they have run again", all_again)
    assert (await planning.ground(hands.settings, EMBED)).committed == at
    assert len(stack.provider.bill()) == paid
    assert await rows(hands) == before
    await until("all is crossed out", lambda: nothing_left(hands))


async def nothing_left(hands: Hands) -> bool:
    return bool(await hands.pool.fetchval("SELECT count(*) = 0 FROM journal.chosen"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nonsense", "--to-earliest"], 2, "no group is called 'nonsense'"),
        (["transcribe-video"], 2, "in one way, not 0"),
        (["transcribe-video", "--where", "colour=red"], 2, "'colour=red' is no condition"),
        (["transcribe-video", "--where", "creator=nobody"], 1, "nothing is meant: none of"),
        (["transcribe-video", "--video", "first-0", "--to-earliest"], 2, "by question or by offset, not both"),
        (["projection", "--video", "first-0"], 2, "goes back by offsets alone"),
        (["transcribe-video", "--to-earliest", "--to-latest"], 2, "in one way, not 2"),
        (["transcribe-video", "--to-datetime", "yesterday"], 2, "'yesterday' is no time"),
        (["transcribe-video", "--by-duration", "7 days"], 2, "'7 days' is no duration"),
        (["transcribe-video", "--from-file", "WRONG"], 2, "line 2: 'transcribe.requested,one,2' is not"),
        (["transcribe-video", "--from-file", "OTHER"], 2, "nobody/0 is no partition that this group reads"),
        (["transcribe-video", "--to-earliest", "--topic", "nobody"], 2, "'nobody' is no topic that this group reads"),
        (["transcribe-video", "--to-earliest", "--execute", "--plan", "00000000"], 1, "plan 00000000 does not hold"),
        (["projection", "--shift-by", "-1", "--topic", "transcribe.requested:x"], 2, "give name or name:0,1,2"),
    ],
)
async def test_what_makes_no_sense_is_one_line_and_changes_nothing(
    hands: Hands, stack: Stack, tmp_path: Path, words: list[str], code: int, said: str
):
    wrong, other = tmp_path / "wrong.csv", tmp_path / "other.csv"
    wrong.write_text("transcribe.requested,0,1\ntranscribe.requested,one,2\n")
    other.write_text("nobody,0,1\n")
    before = (await planning.ground(hands.settings, TRANSCRIBE)).committed
    named = [{"WRONG": str(wrong), "OTHER": str(other)}.get(word, word) for word in words]
    done = await chronos(stack, "rewind", *named)
    assert done.exit_code == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (await planning.ground(hands.settings, TRANSCRIBE)).committed == before


async def videos(hands: Hands, home: Path, name: str, count: int, seconds: float = 2.0) -> list[Sent]:
    """So many videos of which no two say the same."""
    sent = []
    for n in range(count):
        creator, loudness = f"creator-{n % 3}", 0.5 + zlib.crc32(f"{name}-{n}".encode()) / 2**34
        sound = film(home / f"{name}-{n}.wav", (0, noise(seconds, 16_000) * loudness), codec="pcm_s16le", rate=16_000)
        path = await hands.upload(sound, creator)
        sent.append(await hands.ask(f"{name}-{n}", creator, path))
    for one in sent:
        assert (await hands.ending(one, 120))["status"] == "completed"
    return sent


async def caught_up(hands: Hands) -> bool:
    return await app.total_lag(hands.settings) == 0


async def spent(hands: Hands) -> int:
    """Millionths of a dollar, of embeddings."""
    return int(
        await hands.pool.fetchval(
            "SELECT coalesce(sum(cost_micro_usd), 0) FROM journal.spends WHERE function = 'generate-embeddings'"
        )
    )


async def log(hands: Hands) -> list[Record]:
    scan = LogScan(app.cluster(hands.settings))

    def read() -> list[Record]:
        ends = scan.ends({name: topic.partitions for name, topic in TOPICS.items()})
        until_, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
        return [record for batch in scan.read(until_, begins) for record in batch]

    return await asyncio.to_thread(read)


async def copies(hands: Hands) -> dict[tuple[str, ...], list[Record]]:
    """All copies of each fact: topic, subject, event id."""
    found: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in await log(hands):
        attributes = read_headers(record.headers)
        if record.topic == "operator.acted":
            found[("operator.acted",)].append(record)
        else:
            found[record.topic, attributes.get("subject", ""), attributes.get("id", "")].append(record)
    return dict(found)


def read_function(record: Record) -> str:
    return read_headers(record.headers).get("function", "").partition(" ")[0]


async def has_been_said_twice(hands: Hands, wanted: list[tuple[str, str]]) -> bool:
    said = await copies(hands)
    return all(any(key[:2] == one and len(said[key]) >= 2 for key in said) for one in wanted)


async def all_twice(hands: Hands, before: dict[tuple[str, ...], list[Record]], keys: list[tuple[str, ...]]) -> bool:
    now = await copies(hands)
    return all(len(now[key]) == len(before[key]) + 1 for key in keys)


def of_kafkas_tool(stack: Stack, group: str, way: list[str]) -> dict[tuple[str, int], int]:
    said = kafka_tool(
        "kafka-consumer-groups", "--bootstrap-server", stack.bootstrap, "--group", group,
        "--reset-offsets", *way, *([] if "--from-file" in way else ["--all-topics"]), "--export", "--dry-run",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr + said.stdout
    rows = [row for row in csv.reader(io.StringIO(said.stdout)) if len(row) >= 3]
    return {(row[-3], int(row[-2])): int(row[-1]) for row in rows}


async def of_ours(stack: Stack, group: str, way: list[str]) -> dict[tuple[str, int], int]:
    said = await chronos(stack, "rewind", group, *way, "--export")
    assert said.exit_code == 0, said.stderr
    return dict(offsets.parse_file(said.stdout, group).offsets)


async def chronos(stack: Stack, *words: str, more: Mapping[str, str] | None = None) -> Result:
    """A command, in this process: the imports of a new one would take most of the time. `more`: of its environment."""
    environment = stack.environment() | dict(more or {})
    return await asyncio.to_thread(CliRunner().invoke, root.app, list(words), env=environment)
