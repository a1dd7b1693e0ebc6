"""An embedding space is filled beside the active one: what that would cost, and the videos in batches."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agents.chunker import chunk
from agents.generate_embeddings import BATCH
from chronos import app, cancelling, operations, sides, spaces
from chronos.adapters.projected_spaces import BELIEVED
from chronos.config import Settings
from chronos.embedders import parts_of
from chronos.fitting import chunking
from chronos.pipeline import EVENTS
from chronos.sending import Sender, Sent, sender
from chronos.switching import lag_of
from schemas.batch import EmbeddingsBatchReprocess, VideoFilter
from schemas.transcription import Transcript
from streams.identity import Place, emitted_run, record_id
from streams.journal import prepare
from streams.postgres import Pool, Row
from streams.purchases import Purchases
from streams.reading import LogScan
from streams.rehearsal import Foreseen, Reckoning

Video = tuple[str, str]  # creator, video
Progress = Callable[[str, float], None]  # what is done, and the share of it (0 to 1)

BATCH_OF_VIDEOS = 200
"""Videos that are asked for at once. What is asked for waits behind everybody's live work; an abort calls it off."""

PAGE = 200  # transcripts that are looked at together
LOOK = 0.2


@dataclass(frozen=True)
class Plan:
    """What filling a space would come to."""

    space: str
    videos: int
    texts: int
    needs: Foreseen

    def to_json(self) -> dict[str, Any]:
        return {
            "space": self.space,
            "videos": self.videos,
            "texts": self.texts,
            "remembered": self.needs.remembered,
            "calls": self.needs.calls,
            "tokens": round(self.needs.quantity),
            "costMicroUsd": self.needs.cost_micro_usd,
        }


@dataclass
class Filled:
    """What became of the videos."""

    space: str
    videos: int = 0
    failed: list[Video] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        failed = [{"creatorId": creator, "videoId": video} for creator, video in self.failed]
        return {"space": self.space, "videos": self.videos, "failed": failed, "seconds": round(self.seconds, 1)}


async def plan(settings: Settings, space: str, progress: Progress = lambda what, share: None) -> Plan:
    """What the videos that lack a complete set in a space would cost there, cut as these settings say. Tokens are
    estimated: only the provider counts them."""
    parts_of(space)
    async with app.projection_pool(settings, most=2) as pool, app.embedders(settings) as embedders:
        await prepare(pool)
        videos = await _lacking(pool, space)
        reckoning, needs, texts = Reckoning(Purchases(pool)), Foreseen(), 0
        for at in range(0, len(videos), PAGE):
            rows = await pool.fetch(spaces.SQL["transcripts"], *_columns(videos[at : at + PAGE]))
            for row in rows:
                bodies = [one.text for one in chunk(_transcript(row), chunking(settings))]
                needs += await reckoning.reckon(embedders.of(space), bodies, size=BATCH)
                texts += len(bodies)
            progress("plan", (at + len(rows)) / len(videos))
    return Plan(space, len(videos), texts, needs)


def _transcript(row: Row) -> Transcript:
    return Transcript(
        text=row["body"],
        language=row["language"],
        duration_seconds=row["duration_seconds"],
        model=row["model"],
        segments=json.loads(row["segments"]),
    )


async def build(
    settings: Settings,
    space: str,
    *,
    batch: int = BATCH_OF_VIDEOS,
    reason: str | None = None,
    progress: Progress = lambda what, share: None,
) -> Filled:
    """Has every video embedded in a space too, those that come meanwhile as well. What has its vectors already is not
    asked for: to go on after an abort, do it again.

    Raises:
        NoSuchSpace: its model is not allowed here; NotFolded: no projection is at work.
    """
    began, filled = time.monotonic(), Filled(space)
    async with app.projection_pool(settings, most=2) as pool:
        await spaces.register(settings, pool, space, reason)
        await _nobody_is_missed(settings)
        videos = await _lacking(pool, space)
        async with _asking(settings, pool, space, reason) as asking:
            for at in range(0, len(videos), batch):
                told = partial(_tell, progress, at, len(videos))
                filled.failed += await asking.fill(videos[at : at + batch], told)
    filled.videos, filled.seconds = len(videos) - len(filled.failed), time.monotonic() - began
    await operations.tell(settings, "embeddings build", space, reason, {"videos": len(videos)}, filled.to_json())
    return filled


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress("embed", (before + done) / total)


async def _nobody_is_missed(settings: Settings) -> None:
    """Waits until every video that was begun without the space is in the tables: workers believe what they saw for a
    while, and the projection may be behind."""
    await asyncio.sleep(BELIEVED + LOOK)
    scan = LogScan(app.cluster(settings))
    ends = await asyncio.to_thread(scan.ends, await app.partitions(settings, [event.name for event in EVENTS]))
    ids = await app.topic_ids(settings)
    there = (
        [ids[topic][0] for topic, _ in ends],
        [partition for _, partition in ends],
        [high for _, high in ends.values()],
    )
    async with sides.one_connection(settings) as connection:
        active, _ = await sides.active(connection)
        while await lag_of(connection, active, there):  # noqa: ASYNC110 - the tables tell nobody when they change
            await asyncio.sleep(LOOK)


@asynccontextmanager
async def _asking(settings: Settings, pool: Pool, space: str, reason: str | None) -> AsyncIterator[_Asking]:
    """Ends what was asked for and is not over, when the block is left before its time."""
    ids = await app.topic_ids(settings)
    async with sender(app.cluster(settings), ids, "operator") as send:
        asking = _Asking(pool, send, {name: topic_id for name, (topic_id, _) in ids.items()}, space, reason or "")
        try:
            yield asking
        except BaseException:
            await cancelling.call_off(settings, await asking.still_open(), "the filling was aborted")
            raise


class _Asking:
    """Asks for batches of videos, one after the other."""

    def __init__(self, pool: Pool, send: Sender, topic_ids: dict[str, str], space: str, reason: str) -> None:
        self._pool, self._send, self._topic_ids = pool, send, topic_ids
        self._space, self._reason = space, reason
        self._runs: dict[str, Video] = {}

    async def fill(self, videos: Sequence[Video], done: Callable[[int], None]) -> list[Video]:
        """Waits until each video has its vectors or failed; gives those that failed."""
        by_creator: dict[str, list[Video]] = {}
        for video in videos:
            by_creator.setdefault(video[0], []).append(video)
        self._runs = {}
        for creator, theirs in by_creator.items():
            sent = await self._ask(creator, [video_id for _, video_id in theirs])
            self._runs |= {self._run(sent, *video): video for video in theirs}
        missing, failed = set(videos), list[Video]()
        while missing:
            failed += [video for video, status in await self._ended(missing) if status != "completed"]
            missing = set(await _lacking(self._pool, self._space, missing)) - set(failed)
            done(len(videos) - len(missing))
            await asyncio.sleep(LOOK)
        return failed

    async def still_open(self) -> list[cancelling.Run]:
        """The runs of the last batch that are not over."""
        ended = {str(row["run_id"]) for row in await self._pool.fetch(spaces.SQL["endings"], list(self._runs))}
        return [cancelling.Run(*video, run) for run, video in self._runs.items() if run not in ended]

    async def _ask(self, creator: str, videos: list[str]) -> Sent:
        return await self._send.send(
            EmbeddingsBatchReprocess(
                batch_id=str(uuid.uuid4()),
                creator_id=creator,
                video_ids=videos,
                filter=VideoFilter(model_not=self._space),
                embedding_model=self._space,
                reason=self._reason or f"to fill {self._space}",
            )
        )

    def _run(self, sent: Sent, creator: str, video: str) -> str:
        """The run in which a video of a batch is embedded."""
        place = Place(self._topic_ids[sent.place.topic], sent.place.partition, sent.place.offset)
        return emitted_run(sent.run_id, record_id(place), creator, video)

    async def _ended(self, missing: Iterable[Video]) -> list[tuple[Video, str]]:
        runs = [run for run, video in self._runs.items() if video in missing]
        rows = await self._pool.fetch(spaces.SQL["endings"], runs)
        return [(self._runs[str(row["run_id"])], row["status"]) for row in rows]


async def _lacking(pool: Pool, space: str, of: Iterable[Video] | None = None) -> list[Video]:
    """Videos that have a transcript and no complete set in a space."""
    rows = await pool.fetch(spaces.SQL["lacking"], space, *(_columns(of) if of is not None else (None, None)))
    return [(row["creator_id"], row["video_id"]) for row in rows]


def _columns(videos: Iterable[Video]) -> tuple[list[str], list[str]]:
    pairs = sorted(videos)
    return [creator for creator, _ in pairs], [video for _, video in pairs]
