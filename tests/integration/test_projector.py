"""The projector on a real Postgres: what two of them write at once is what one would write."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from chronos import app
from chronos.adapters import vectors
from chronos.adapters.serving import settling
from chronos.config import Settings
from chronos.pipeline import PROJECTIONS, TABLES
from schemas.avro import data_schema, encode, frame
from schemas.deletion import VideoDeleted
from schemas.embedding import Chunk, ChunksEmbedded, EmbeddingsCompleted, TranscriptChunked, Vector
from schemas.event import Event
from schemas.running import Error, FailedEvent, FunctionFailed
from schemas.spaces import SpaceActivated, SpaceRegistered
from schemas.transcription import AudioExtracted, TranscribeRequested, Transcript, TranscriptionCompleted
from streams.bulk import Bulk
from streams.codec import Codec, NewerThanThis
from streams.envelope import Envelope
from streams.identity import Place, event_id, outside_run
from streams.postgres import Pool
from streams.projector import Folding, Moved, ends
from streams.record import Record

TOPIC_IDS = {name: (name, 12) for name in sorted({e.name for p in PROJECTIONS for e in p.events})}
CODEC = Codec({name: topic_id for name, (topic_id, _) in TOPIC_IDS.items()})
ERROR = Error(type="UnreadableMedia", message="no", retryable=False)
NOWHERE = FailedEvent(topic="transcribe.requested", partition=0, offset=0)
SOUND = {"bytes": 1, "sha256": "0" * 64, "duration_seconds": 1, "codec": "aac", "segments": []}


def history(videos: int) -> list[Record]:
    """Records of finished videos, embedded twice each, and of the space that serves them."""
    records = [outside(SpaceRegistered(space="s/3", model="s", dimensions=3, by="t", why="t"), 0)]
    records.append(outside(SpaceActivated(space="s/3", by="t", why="t"), 0))
    for n in range(videos):
        me = {"creator_id": f"c{n % 3}", "video_id": f"v{n}"}
        text = Transcript(text="words", language="en", duration_seconds=1, model="m", segments=[])
        records.append(outside(TranscribeRequested(**me, storage_path="p", title=f"Video {n}"), n))
        said = TranscriptionCompleted(**me, audio_sha256="0" * 64, transcript=text)
        records.append(fact(said, n, "1", n))
        for way in ("1", "2"):
            records += embedded(me, n, way, event_id(str(n), "f", "1", said.name))
    return records


def embedded(me: Mapping[str, str], n: int, way: str, transcript: str) -> list[Record]:
    of = {**me, "chunk_set_id": f"{n}-{way}"}
    chunk = Chunk(index=0, text=f"words of way {way}", start_seconds=0, end_seconds=1, words=1, tokens=1)
    vector = Vector(index=0, paid_key=f"{n}", values=b"\0\0\x80\x3f" * 3, tokens=1, cost_micro_usd=1)
    return [
        fact(TranscriptChunked(**of, transcript_id=transcript, chunker=way, spaces=["s/3"], chunks=[chunk]), n, way, n),
        fact(ChunksEmbedded(**of, space="s/3", batch=0, batches=1, vectors=[vector]), n, way, n),
        fact(EmbeddingsCompleted(**of, space="s/3", chunks=1), n, way, n),
    ]


def deletion(n: int, at: int) -> Record:
    """Of one of those videos, at some moment (ms): they are asked for at 1,000 and a bit."""
    deleted = VideoDeleted(creator_id=f"c{n % 3}", video_id=f"v{n}", by="ada")
    return fact(deleted, at - 1_000 + n, "1", n)


def outside(event: Event, offset: int) -> Record:
    return Record(event.name, 0, offset, 1_000 + offset, event.key().encode(), encode(event))


def fact(event: Event, n: int, fingerprint: str, offset: int) -> Record:
    envelope = Envelope(
        id=event_id(str(n), "f", fingerprint, event.name, event.part()),
        type=event.name,
        source="chronos/f",
        time=datetime.fromtimestamp(1_700_000_000, UTC),
        subject=event.subject(),
        run_id=outside_run(Place("t", 0, n), 1_000 + n),
        cause_id="",
        sequence=int(fingerprint),
        function=f"f {fingerprint}",
        schema=data_schema(type(event)),
    )
    return Record(event.name, 0, 2 * offset + int(fingerprint), 0, b"", encode(event), tuple(envelope.headers()))


def folding(pool: Pool) -> Folding:
    return Folding("g", pool, PROJECTIONS, CODEC, TOPIC_IDS, settling(), vectors.Partitions("none").make)


async def tables(pool: Pool) -> dict[str, list[str]]:
    names = (*(table.name for table in TABLES), "served")
    return {name: sorted(str(tuple(row)) for row in await pool.fetch(f"SELECT * FROM {name}")) for name in names}


async def folded(settings: Settings, schema: str, *shares: list[Record]) -> dict[str, list[str]]:
    """The tables after these shares were folded, each by a projector of its own, at once."""
    async with app.projection_pool(settings, schema=schema, most=8) as pool:
        await asyncio.gather(*(fold_all(folding(pool), share, n) for n, share in enumerate(shares)))
        return await tables(pool)


async def fold_all(one: Folding, share: list[Record], seed: int) -> None:
    chance, rest = random.Random(seed), list(share)
    while rest:
        size = chance.randrange(1, 8)
        batch, rest = rest[:size], rest[size:]
        while True:
            at = await one.checkpoints()
            try:
                await one.apply(batch, {place: at.get(place) for place in {(r.topic, r.partition) for r in batch}})
                break
            except Moved:
                continue


async def test_two_projectors_at_once_write_what_one_would(new_database: Callable[[], str]):
    settings, records = Settings(database_url=new_database()), history(20)
    alone = await folded(settings, "alone", records)
    assert len(alone["served"]) == 20
    assert all("-2" in row for row in alone["served"])  # the newer set of each video
    assert len(alone["chunks"]) == 20  # the older sets were pruned
    for seed in range(3):
        shuffled = [*records, *random.Random(seed).sample(records, 40)]
        random.Random(seed).shuffle(shuffled)
        both = await folded(settings, f"both_{seed}", shuffled[::2], shuffled[1::2])
        assert both == alone


def asked_again(n: int) -> list[Record]:
    """A run that is newer than a deletion at 3,000."""
    me = {"creator_id": f"c{n % 3}", "video_id": f"v{n}"}
    failed = FunctionFailed(**me, function="transcribe-video", attempts=1, error=ERROR, event=NOWHERE)
    return [fact(AudioExtracted(**me, **SOUND), 4_000 + n, "1", 900 + n), fact(failed, 4_000 + n, "1", 900 + n)]


async def test_what_is_deleted_is_as_if_it_had_never_been_folded_whatever_comes_first(new_database: Callable[[], str]):
    """Of twelve videos a third is deleted, a third was deleted before it came, and of both some are asked for again."""
    settings, kept, gone = Settings(database_url=new_database()), [], []
    records = history(12)
    for n in range(12):
        mine = [r for r in records if getattr(CODEC.read(r).event, "video_id", None) == f"v{n}"]
        failed = FunctionFailed(
            creator_id=f"c{n % 3}", video_id=f"v{n}", function="f", attempts=1, error=ERROR, event=NOWHERE
        )
        mine.append(fact(failed, n, "1", 500 + n))
        (gone if n % 3 == 0 else kept).extend(mine)
        kept += [deletion(n, 3_000)] if n % 3 == 0 else [deletion(n, 500)] if n % 3 == 1 else []
        kept += asked_again(n) if n % 2 else []
    kept += [r for r in records if not hasattr(CODEC.read(r).event, "video_id")]
    expected = await folded(settings, "expected", kept)
    assert (len(expected["deleted"]), len(expected["served"]), len(expected["videos"])) == (8, 8, 10)
    for seed in range(5):
        shuffled = [*kept, *gone, *random.Random(seed).sample(gone, 9)]
        random.Random(seed).shuffle(shuffled)
        assert await folded(settings, f"one_{seed}", shuffled) == expected
        assert await folded(settings, f"two_{seed}", shuffled[::2], shuffled[1::2]) == expected


async def test_a_batch_whose_checkpoint_moved_writes_nothing(new_database: Callable[[], str]):
    settings, records = Settings(database_url=new_database()), history(1)
    async with app.projection_pool(settings, schema="one") as pool:
        one = folding(pool)
        await one.apply(records[:3], {})
        before = await tables(pool)
        try:
            await one.apply(records[3:], {(r.topic, r.partition): 99 for r in records[3:]})
        except Moved:
            assert await tables(pool) == before
        else:
            raise AssertionError("the mismatch was not noticed")


async def test_a_rewind_does_not_take_a_checkpoint_back(new_database: Callable[[], str]):
    """The tables hold what they held: `chronos verify` compares them with the log up to there."""
    settings, records = Settings(database_url=new_database()), history(3)
    async with app.projection_pool(settings, schema="one") as pool:
        one = folding(pool)
        await one.apply(records, {})
        before, reached = await tables(pool), await one.checkpoints()
        await one.apply(records[:4], reached)
        assert await one.checkpoints() == reached
        assert await tables(pool) == before


async def test_text_with_a_zero_character_does_not_stop_the_projection(new_database: Callable[[], str]):
    settings = Settings(database_url=new_database())
    event = FunctionFailed(
        creator_id="ada",
        video_id="zero",
        function="transcribe-video",
        attempts=1,
        error=Error(type="UnreadableMedia", message="before\0after", retryable=False),
        event=FailedEvent(topic="transcribe.requested", partition=0, offset=0),
    )
    found = await folded(settings, "zero", [outside(event, 0)])
    assert "beforeafter" in found["videos"][0]


class Unheard(Folding):
    """Its connection is lost once, after the commit and before the answer."""

    lost = False

    async def keep(self, *what: Any, **how: Any) -> None:
        await super().keep(*what, **how)
        if not self.lost:
            self.lost = True
            raise ConnectionResetError


@pytest.mark.parametrize("begun", [0, 3], ids=["by COPY", "joined"])
async def test_a_rebuild_whose_commit_was_not_answered_goes_on(new_database: Callable[[], str], begun: int):
    settings, records = Settings(database_url=new_database()), history(3)
    alone = await folded(settings, "alone", records)
    async with app.projection_pool(settings, schema="bulk") as pool:
        one = folding(pool)
        if begun:
            await one.apply(records[:begun], {})
        unheard = Unheard(one.group, pool, one.projections, one.codec, one.topic_ids, one.settling, one.before)
        scan: Any = SimpleNamespace(read=lambda until, begins: iter([records[begun:]]))
        until = ends(records)
        bounds = {place: (0, end) for place, end in until.items()}
        await Bulk(unheard, scan, bounds, lambda count: None).load(until)
        assert unheard.lost
        assert await one.checkpoints() == until
        assert await tables(pool) == alone


async def test_what_a_newer_chronos_said_is_not_passed_over(new_database: Callable[[], str]):
    known = history(1)
    newer = fact(SpaceActivated(space="s/3", by="t", why="t"), 0, "1", 5)
    headers = [(name, b"0" * 16 if name == "ce_dataschema" else value) for name, value in newer.headers]
    newer = replace(newer, value=frame(9_999, b"?"), headers=headers)
    async with app.projection_pool(Settings(database_url=new_database()), schema="older") as pool:
        one = folding(pool)
        with pytest.raises(NewerThanThis, match="projections first"):
            await one.apply([*known, newer], {})
        assert await one.checkpoints() == {}
