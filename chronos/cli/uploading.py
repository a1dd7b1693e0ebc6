"""From a local file to a running request, with progress: the upload, the event, and the wait for its ending."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from chronos import queries
from chronos.app import cluster, projection_pool, store, topic_ids
from chronos.cli.state import err
from chronos.config import Settings
from chronos.sending import Sent, sender
from schemas.transcription import TranscribeRequested
from streams.postgres import Pool

LOOK_SECONDS = 0.1  # how often the tables are asked; the answer takes a millisecond


@dataclass(frozen=True)
class Wish:
    """A file that somebody wants transcribed."""

    file: Path
    creator_id: str
    title: str
    language: str | None = None
    video_id: str | None = None


async def request(settings: Settings, wish: Wish, *, wait: bool) -> dict[str, Any]:
    """Uploads, sends, and waits if asked to. Gives what `chronos status` gives."""
    event = event_of(wish, wish.file.name)  # what is wrong with it is said before anything is uploaded
    ids = await topic_ids(settings)
    event = event.model_copy(update={"storage_path": await upload(settings, wish)})
    async with sender(cluster(settings), ids, "cli") as sending:
        sent = await sending.send(event)
    if not wait:
        return _asked(event, sent)
    async with projection_pool(settings, most=2) as pool:
        return await follow(pool, event.creator_id, event.video_id, sent.run_id)


async def upload(settings: Settings, wish: Wish) -> str:
    """Puts the file into the store, with a bar, and gives its key."""
    storage = store(settings)
    columns = (TextColumn("uploading {task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as bar:
        task = bar.add_task(wish.file.name, total=wish.file.stat().st_size)
        return await storage.put(wish.file, wish.creator_id, lambda size: bar.advance(task, size))


def event_of(wish: Wish, key: str) -> TranscribeRequested:
    """The request. Without an id of its own, the video's is made of the creator and what the file holds."""
    return TranscribeRequested(
        video_id=wish.video_id or derived_id(wish.creator_id, wish.file),
        creator_id=wish.creator_id,
        storage_path=key,
        original_filename=wish.file.name,
        title=wish.title,
        language=wish.language,
    )


def derived_id(creator_id: str, file: Path) -> str:
    """The same for the same creator and content, and another for any other."""
    with file.open("rb") as source:
        content = hashlib.file_digest(source, "sha256").hexdigest()
    return hashlib.sha256(f"{creator_id}\0{content}".encode()).hexdigest()[:20]


async def follow(pool: Pool, creator_id: str, video_id: str, run_id: str) -> dict[str, Any]:
    """Waits for a run's ending, showing how far it is. Gives what `chronos status` gives, of this run."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    found: dict[str, Any] = {}
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as line:
        task = line.add_task(f"{video_id}: pending", total=None)
        async for found in changes(pool, creator_id, video_id, run_id):
            line.update(task, description=f"{video_id}: {queries.in_words(found)}")
    return found


async def changes(pool: Pool, creator_id: str, video_id: str, run_id: str) -> AsyncIterator[dict[str, Any]]:
    """What `chronos status` gives, of this run: now, and whenever its status is another, until it has ended."""
    before: dict[str, Any] = {"status": None}
    while before["status"] not in queries.ENDINGS:
        now = await queries.run_status(pool, creator_id, video_id, run_id)
        if now == before:
            await asyncio.sleep(LOOK_SECONDS)
            continue
        before = now
        known = await queries.videos(pool, video_id=video_id, creator_id=creator_id)
        video = known[0] if known else _unknown(creator_id, video_id)
        yield {**video, "runId": run_id, **now}


def _asked(event: TranscribeRequested, sent: Sent) -> dict[str, Any]:
    """What is known before anybody has worked on it."""
    return {**_unknown(event.creator_id, event.video_id), "runId": sent.run_id, "title": event.title}


def _unknown(creator_id: str, video_id: str) -> dict[str, Any]:
    """A video whose request the tables do not know yet."""
    return {
        "videoId": video_id,
        "creatorId": creator_id,
        "runId": None,
        "status": "pending",
        "held": None,
        "title": None,
        "durationSeconds": None,
        "language": None,
        "costMicroUsd": 0,
        "error": None,
    }
