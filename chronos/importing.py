"""chronos import: videos of the system that was replaced, with their transcripts and vectors, and nothing paid for.

Facts make workers work. So each batch is first written into the journal, as what was done and bought already, and only
then told: whoever hears of it finds it over, and a rebuild of the journal reads the same back from the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agents.generate_embeddings import generate_embeddings
from chronos import app, imported, old_system, operations, plans, spaces
from chronos.config import Settings
from chronos.embedders import NoSuchSpace
from chronos.fitting import shape
from chronos.imported import Ways
from chronos.journal_rebuild import kept
from chronos.old_system import Names, OldVideo
from chronos.pipeline import FUNCTIONS
from chronos.sending import sender
from streams import postgres
from streams.codec import Received
from streams.journal import prepare
from streams.kafka import Outbox
from streams.postgres import Pool, load_queries
from streams.recovery import Kept, KeptRun, Recovery
from streams.stage import Function

SQL = load_queries("chronos.sql", "importing.sql")

Progress = Callable[[str, float], None]


class OtherSettings(Exception):
    """The workers have other settings than this process: they would do all of it again, and pay."""


@dataclass(frozen=True)
class Wish:
    """What is to be imported. `embed`: also videos that lack vectors, which workers then buy."""

    url: str
    space: str
    names: Names = field(default_factory=dict)
    embed: bool = False

    def source(self) -> str:
        """The old database, without who may read it."""
        parts = urlsplit(self.url)
        return f"{parts.hostname or 'localhost'}{parts.path}"


@dataclass
class Plan:
    """What there is to import, and what is left out."""

    source: str
    space: str
    videos: int = 0
    ready: int = 0  # with all that belongs to them
    to_embed: int = 0  # up to their transcripts: workers buy the vectors
    here: int = 0
    deleted: int = 0
    facts: int = 0
    left: list[dict[str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return plans.name_of([self.source, self.space, self.ready, self.to_embed, self.here, len(self.left)])

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": self.id,
            "from": self.source,
            "space": self.space,
            "videos": self.videos,
            "ready": self.ready,
            "toEmbed": self.to_embed,
            "here": self.here,
            "deleted": self.deleted,
            "facts": self.facts,
            "left": self.left,
        }


async def plan(settings: Settings, wish: Wish, progress: Progress = lambda what, share: None) -> Plan:
    """What an import would do; nothing is written.

    Raises:
        NoOldSystem, NoSuchSpace, OtherSettings.
    """
    found = Plan(wish.source(), wish.space)
    async with _at_work(settings, wish) as (pool, ways):
        async for videos in _sorted_out(pool, wish, found, progress):
            found.facts += sum(1 for video in videos for _ in imported.facts(video, ways))
    return found


async def execute(
    settings: Settings, wish: Wish, reason: str | None = None, progress: Progress = lambda what, share: None
) -> Plan:
    """Imports what is not here yet; gives what it did. Said twice, the facts are the same.

    Raises:
        NoOldSystem, NoSuchSpace, OtherSettings, TooLarge.
    """
    done, outbox = Plan(wish.source(), wish.space), Outbox(app.cluster(settings))
    try:
        async with _at_work(settings, wish) as (pool, ways):
            await _ensure_space(settings)
            async for videos in _sorted_out(pool, wish, done, progress):
                said = [fact for video in videos for fact in imported.facts(video, ways)]
                await _remember(settings, said, ways)
                await asyncio.gather(*(outbox.send(*_to_send(fact)) for fact in said))
                done.facts += len(said)
    finally:
        await outbox.close()
    await operations.tell(settings, "import", wish.source(), reason, {"space": wish.space}, _outcome(done))
    return done


def _outcome(done: Plan) -> dict[str, int]:
    return {"ready": done.ready, "toEmbed": done.to_embed, "here": done.here, "left": len(done.left)}


@asynccontextmanager
async def _at_work(settings: Settings, wish: Wish) -> AsyncIterator[tuple[Pool, Ways]]:
    """The tables, and how facts are said here."""
    ours = {function.name: function.fingerprint(shape(settings, function)) for function in FUNCTIONS}
    async with app.projection_pool(settings, most=2) as pool, app.embedders(settings) as embedders:
        await prepare(pool)
        check_fingerprints(ours, {row["function"]: row["fingerprint"] for row in await pool.fetch(SQL["fingerprints"])})
        known = [space.name for space in await spaces.known(pool) if space.state != "retired"] or [embedders.default]
        if wish.space not in known:
            raise NoSuchSpace(
                f"the old vectors are of {wish.space}, and here are {', '.join(known)}: "
                f"`chronos embeddings build {wish.space}` first, or name another with --space"
            )
        yield pool, Ways(ours, wish.space, embedders.of(wish.space).key)


def check_fingerprints(ours: dict[str, str], theirs: dict[str, str]) -> None:
    """What a function has done under another fingerprint it does again.

    Raises:
        OtherSettings.
    """
    for name, fingerprint in ours.items():
        if theirs.get(name, fingerprint) != fingerprint:
            raise OtherSettings(
                f"{name} runs here as {theirs[name]}, and with the settings of this process it would be {fingerprint}: "
                "give the import the workers' settings (CHRONOS_SPEECH_MODEL, CHRONOS_CUTTING, CHRONOS_CHUNKING, "
                "CHRONOS_WEBHOOKS), or its videos would be processed and paid for anew"
            )


async def _ensure_space(settings: Settings) -> None:
    ids = await app.topic_ids(settings)
    async with app.embedders(settings) as embedders, sender(app.cluster(settings), ids, imported.BY) as send:
        await spaces.ensure_space(settings, embedders, app.codec(ids), send)


async def _sorted_out(pool: Pool, wish: Wish, found: Plan, progress: Progress) -> AsyncIterator[list[OldVideo]]:
    """Videos that are to be imported, batch by batch; of the others it is noted why not."""
    async with old_system.opened(wish.url, wish.names) as old:
        total = max(1, await old.count())
        async for videos in old.videos():
            yield [video for video in await _not_here(pool, videos, found) if _wanted(video, wish, found)]
            found.videos += len(videos)
            progress("import", found.videos / total)


async def _not_here(pool: Pool, videos: Sequence[OldVideo], found: Plan) -> list[OldVideo]:
    runs = [(video.creator, video.id, imported.run_of(video)) for video in videos]
    columns = [list(column) for column in zip(*runs, strict=True)]
    states = {(row["creator_id"], row["video_id"]): row for row in await pool.fetch(SQL["here"], *columns)}
    found.here += sum(row["here"] for row in states.values())
    found.deleted += sum(row["deleted"] for row in states.values())
    gone = {key for key, row in states.items() if row["here"] or row["deleted"]}
    return [video for video in videos if (video.creator, video.id) not in gone]


def _wanted(video: OldVideo, wish: Wish, found: Plan) -> bool:
    why = imported.why_not(video, wish.space)
    embedded = imported.is_embedded(video)
    if why is None and not embedded and not wish.embed:
        why = "it lacks vectors: --embed has workers buy them"
    if why is not None:
        found.left.append({"videoId": video.id, "creatorId": video.creator, "why": why})
        return False
    found.ready += embedded
    found.to_embed += not embedded
    return True


async def _remember(settings: Settings, said: Sequence[Received], ways: Ways) -> None:
    """Into the journal: all in one transaction, on a connection of its own, with whose end its notes go."""
    pool = await postgres.connect(settings.database(), most=1)
    try:
        async with pool.acquire() as connection:
            recovery = Recovery(connection)
            await recovery.begin()
            await recovery.gather([one for fact in said for one in kept(fact)])
            await recovery.gather(list(heard(said, ways)))
            await recovery.put_back()
    finally:
        await pool.close()


def heard(said: Sequence[Received], ways: Ways) -> Iterator[Kept]:
    """Each function that would work on a fact has done so, but for vectors that are to be bought: of old videos no
    receiver of webhooks is told either. Pure."""
    causes = {fact.cause_id for fact in said}
    for fact in said:
        for function in FUNCTIONS:
            is_open = function is generate_embeddings and fact.id not in causes
            if isinstance(fact.event, function.consumes) and not is_open:
                yield _run(function, fact, ways)


def _run(function: Function, fact: Received, ways: Ways) -> KeptRun:
    return KeptRun(
        function=function.name,
        fingerprint=ways.fingerprints[function.name],
        input_id=fact.id,
        run_id=fact.run_id,
        creator_id=fact.event.owner(),
        video_id=fact.event.subject(),
        first_started_at=fact.sequence,
        attempts=1,
        ending="completed",
        error=None,
    )


def _to_send(fact: Received) -> tuple[str, bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]:
    record = fact.record
    return record.topic, record.key, record.value, record.headers
