"""Dead letters through the whole stack: listed, sent back, refused in a loop, dropped; the lag is the backlog."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from chronos import app, deadletters, queries
from chronos.cli.root import app as cli
from chronos.deadletters import GROUP
from schemas.avro import encode
from schemas.topics import TOPICS
from schemas.transcription import TranscribeRequested
from streams.deadletter import REDRIVES, TOPIC, dead_letter
from streams.kafka import Cluster, Outbox
from streams.reading import LogScan, committed
from streams.record import Record
from tests.films import film, quiet
from tests.stack import Hands, Stack, until

GARBAGE = b"\x00\xff\xff\xff\xffgarbage"


async def chronos(stack: Stack, *arguments: str, code: int = 0) -> Any:
    """What the command says as JSON; what it says on stderr, where that is all."""
    env = {
        "CHRONOS_HOME": str(stack.home),
        "DATABASE_URL": stack.database,
        "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap,
        "OPENAI_BASE_URL": stack.provider.base_url,
        "CHRONOS_SPEECH_MODEL": "whisper-1",
    }
    said = await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, "--json"], env=env)
    assert said.exit_code == code, said.output
    return json.loads(said.stdout) if said.stdout else said.stderr


async def produce(stack: Stack, *records: Record) -> None:
    outbox = Outbox(Cluster(stack.bootstrap))
    for record in records:
        await outbox.send(record.topic, record.key, record.value, record.headers)
    await outbox.close()


def request(value: bytes, key: bytes = b"ada") -> Record:
    return Record("transcribe.requested", -1, -1, 0, key, value, [("mine", b"kept")])


async def backlog(stack: Stack, count: int) -> list[dict[str, Any]]:
    """The letters, once there are so many."""

    async def enough() -> bool:
        return len(await deadletters.backlog(stack.settings())) == count

    await until(f"{count} letters in the backlog", enough)
    letters: list[dict[str, Any]] = (await chronos(stack, "deadletters", "list"))["letters"]
    return letters


async def lag(hands: Hands) -> int:
    """What Kafka's own tools show of the group."""
    cluster = app.cluster(hands.settings)
    ends = await asyncio.to_thread(LogScan(cluster).ends, {TOPIC: TOPICS[TOPIC].partitions})
    stands = await asyncio.to_thread(committed, cluster, GROUP, ends)
    return sum(high - stands.get(place, low) for place, (low, high) in ends.items())


async def test_letters_are_listed_with_where_they_came_from_and_why(hands: Hands, stack: Stack):
    await produce(stack, *(request(value) for value in (GARBAGE, b'{"videoId": "half", "creatorId": "bob"}', b"text")))
    letters = await backlog(stack, 3)
    assert {letter["origin"]["topic"] for letter in letters} == {"transcribe.requested"}
    assert {letter["creatorId"] for letter in letters} == {"ada", "bob"}
    assert "storagePath" in next(letter["reason"] for letter in letters if letter["videoId"] == "half")
    assert await lag(hands) == 3
    shown = await chronos(stack, "deadletters", "show", str(letters[0]["number"]))
    assert shown["value"]["hex"] == GARBAGE.hex()
    assert {"name": "mine", "text": "kept", "hex": None} in shown["headers"]
    chosen = await chronos(stack, "deadletters", "list", "--where", "creator=bob", "--since", "1h")
    assert [letter["videoId"] for letter in chosen["letters"]] == ["half"]


async def test_without_execute_nothing_is_sent(hands: Hands, stack: Stack):
    planned = await chronos(stack, "deadletters", "redrive")
    assert (planned["executed"], planned["topics"]) == (False, {"transcribe.requested": 3})
    assert await lag(hands) == 3
    assert len(await hands.dead_letters(3)) == 3


async def test_a_chosen_record_goes_back_as_it_was_and_the_others_stay_in_the_backlog(hands: Hands, stack: Stack):
    done = await chronos(stack, "deadletters", "redrive", "--where", "creator=bob", "--execute")
    assert done["redriven"] == 1
    letters = await backlog(stack, 3)  # it came back, and was counted
    assert sorted(letter["redrives"] for letter in letters) == [0, 0, 1]
    again = next(letter for letter in letters if letter["redrives"])
    shown = await chronos(stack, "deadletters", "show", again["letter"])
    assert shown["value"]["text"] == '{"videoId": "half", "creatorId": "bob"}'
    names = [header["name"] for header in shown["headers"]]
    assert names.count("kafka_dlt-original-topic") == names.count("mine") == names.count(REDRIVES) == 1
    assert await lag(hands) == 3


async def test_a_loop_ends_after_three_rounds_unless_it_is_forced(hands: Hands, stack: Stack):
    for redrives in (2, 3):
        await chronos(stack, "deadletters", "redrive", "--where", "creator=bob", "--execute")
        letters = await backlog(stack, 3)
        assert max(letter["redrives"] for letter in letters) == redrives
    refused = await chronos(stack, "deadletters", "redrive", "--where", "creator=bob", "--execute", code=1)
    assert refused["redriven"] == 0
    assert "--force" in refused["refused"][0]["why"]
    forced = await chronos(stack, "deadletters", "redrive", "--where", "creator=bob", "--force", "--execute")
    assert forced["redriven"] == 1
    await backlog(stack, 3)


async def test_two_letters_of_one_record_send_it_once_and_a_large_one_is_read_at_its_place(
    hands: Hands, stack: Stack, tmp_path: Path
):
    """What could not be read then, and can be now: the video completes."""
    path = await hands.upload(film(tmp_path / "f.mp4", (0, quiet(3))), "ada")
    good = TranscribeRequested(video_id="twin", creator_id="ada", storage_path=path)
    twin = Record("transcribe.requested", 0, 10_000, 1, b"ada", encode(good))
    large = b"[" + bytes(1024 * 1024)
    await produce(stack, request(large), *(dead_letter(twin, group, ValueError("then")) for group in ("a", "b")))
    letters = await backlog(stack, 6)
    assert [letter["bytes"] for letter in letters if not letter["whole"]] == [len(large)]

    planned = await chronos(stack, "deadletters", "redrive", "-w", "video=twin", "--execute")
    assert (planned["redriven"], planned["topics"]) == (2, {"transcribe.requested": 1})

    async def completed() -> bool:
        found = await queries.videos(hands.pool, video_id="twin", creator_id="ada")
        return bool(found) and found[0]["status"] == "completed"

    await until("the video is completed", completed)
    assert await hands.pool.fetchval("SELECT count(*) FROM runs WHERE video_id = 'twin'") == 1
    place = next(letter["letter"] for letter in await backlog(stack, 4) if not letter["whole"])
    await chronos(stack, "deadletters", "redrive", place, "--execute")
    again = [letter for letter in await backlog(stack, 4) if not letter["whole"]]
    assert [(letter["redrives"], letter["bytes"]) for letter in again] == [(1, len(large))]


async def test_a_forged_letter_is_refused_and_can_be_dropped_with_the_rest(hands: Hands, stack: Stack):
    await produce(stack, dead_letter(Record("somebody.elses", 0, 0, 0, b"k", b"v"), "x", ValueError("forged")))
    await produce(stack, Record(TOPIC, -1, -1, 0, None, b"no headers at all"))
    await backlog(stack, 6)
    refused = await chronos(stack, "deadletters", "redrive", "--where", "reason=forged", "--execute", code=1)
    assert refused["redriven"] == 0
    assert "deadletters list" in await chronos(stack, "deadletters", "show", "99", code=1)
    dropped = await chronos(stack, "deadletters", "drop", "--execute")
    assert dropped["dropped"] == 6
    assert await lag(hands) == 0
    assert (await chronos(stack, "deadletters", "list"))["total"] == 0
