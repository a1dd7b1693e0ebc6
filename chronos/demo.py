"""`chronos demo`: the main job as a show. Three lectures are made, transcribed and searched to the second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chronos import app, queries
from chronos.cli.state import Failed, err, out
from chronos.cli.uploading import Wish, event_of
from chronos.cli.videos import hit_to_json, show_hits, videos_table
from chronos.config import Settings
from chronos.devstack.chronos_stack import ChronosStack
from chronos.devstack.home import read_dev_json
from chronos.devstack.lectures import Lecture
from chronos.lecturing import Making
from chronos.searching import Hit, search
from chronos.sending import Sent, sender
from chronos.stages import STAGES, Stage, stages
from streams.postgres import Pool

NEAR = 2.0  # seconds between a hit and the moment at which its words begin
PATIENCE = 150.0  # seconds for three lectures; with local models on two cores they take about 20


@dataclass(frozen=True)
class Answer:
    """What a search for a lecture's question found."""

    lecture: Lecture
    hits: list[Hit]

    @property
    def right(self) -> bool:
        """Whether the first hit is the lecture, at the second where the answer is said."""
        return bool(self.hits) and _is_right(self.hits[0], self.lecture)

    def to_json(self) -> dict[str, Any]:
        return {"question": self.lecture.question, "saidAtSeconds": self.lecture.answer.start, "right": self.right,
                "hits": [hit_to_json(hit) for hit in self.hits]}  # fmt: skip


@dataclass
class Shown:
    """What the demo has seen."""

    rows: list[dict[str, Any]]
    stages: list[Stage]
    paid: int
    remembered: int
    answers: list[Answer] = field(default_factory=list)
    seconds_to_first: float = 0.0
    seconds: float = 0.0

    def speeds(self) -> list[tuple[str, float, float]]:
        """Each stage with its seconds, of all videos, and the seconds of their sound."""
        audio = {row["runId"]: row["durationSeconds"] or 0.0 for row in self.rows}
        mine = {name: [stage for stage in self.stages if stage.name == name] for name, _, _ in STAGES}
        return [
            (name, sum(stage.seconds for stage in found), sum(audio[stage.run_id] for stage in found))
            for name, found in mine.items()
        ]

    def wrong(self) -> list[str]:
        """What did not come out as it should, in words."""
        failed = [f"video {row['videoId']} failed" for row in self.rows if row["status"] != "completed"]
        lost = [answer.lecture for answer in self.answers if not answer.right]
        return failed + [
            f"the search for {one.question!r} did not find {one.title!r} at {one.answer.start:.0f} s" for one in lost
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "videos": self.rows,
            "stages": [
                {"stage": name, "seconds": round(seconds, 3), "audioSeconds": round(heard, 3)}
                for name, seconds, heard in self.speeds()
            ],
            "paidCalls": self.paid,
            "rememberedResults": self.remembered,
            "searches": [answer.to_json() for answer in self.answers],
            "firstResultSeconds": round(self.seconds_to_first, 3),
            "seconds": round(self.seconds, 3),
        }


Report = Callable[[dict[str, Any]], None]


def run(home: Path, report: Report | None = None) -> None:
    """With `report`, all that was seen is told to it at the end, instead of being shown in tables.

    Raises:
        Failed: a video failed, or a search did not find its second.
    """
    began = time.monotonic()
    making = Making(home)
    try:
        with _stack(home):
            lectures = _made(making)
            asyncio.run(_show(Settings.load(home=home), lectures, began, report))
    finally:
        making.stop()


@contextmanager
def _stack(home: Path) -> Iterator[None]:
    """The stack that runs here already, or one that is stopped at the end."""
    if read_dev_json(home):
        err().print(f"using the stack that runs in {home}")
        yield
        return
    err().print("starting Kafka, Postgres, the local AI, the functions and the projection …")
    with ChronosStack(home, tell=_tell) as stack:
        if stack.local_ai:
            err().print("[yellow]local models are in use[/], for want of OPENAI_API_KEY: nothing is paid for")
        yield


def _tell(part: str, doing: str, done: float | None) -> None:
    if done == 1.0:
        err().print(f"  [green]✓[/] {part} {doing}")


def _made(making: Making) -> list[Lecture]:
    columns = (TextColumn("making the lectures: {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        while not making.over():
            title, done = making.progress()
            bar.update(task, description=title, completed=done)
            time.sleep(0.1)
    lectures = making.lectures()
    err().print(f"three lectures of {sum(lecture.duration for lecture in lectures) / 60:.1f} minutes are made")
    return lectures


async def _show(settings: Settings, lectures: Sequence[Lecture], began: float, report: Report | None) -> None:
    ids = await app.topic_ids(settings)
    async with (
        app.projection_pool(settings, most=2) as pool,
        sender(app.cluster(settings), ids, "demo") as sending,
    ):
        sent = [await sending.send(await _event(settings, lecture)) for lecture in lectures]
        rows = await _follow(pool, sent)
        first = await search(settings, lectures[0].question, None, 1)
        to_first = time.monotonic() - began
        calls = await pool.fetchrow(queries.SQL["calls"], [one.run_id for one in sent])
    assert calls is not None
    shown = Shown(rows, await stages(settings, [one.run_id for one in sent]), calls["paid"], calls["remembered"])
    shown.answers = [Answer(lecture, await search(settings, lecture.question, None, 1)) for lecture in lectures]
    shown.seconds_to_first, shown.seconds = to_first, time.monotonic() - began
    report(shown.to_json()) if report else _tables(shown)
    if wrong := shown.wrong() or ([] if first else ["nothing was found"]):
        raise Failed("; ".join(wrong))


async def _event(settings: Settings, lecture: Lecture) -> Any:
    key = await app.store(settings).put(lecture.file, lecture.creator_id)
    return event_of(Wish(lecture.file, lecture.creator_id, lecture.title, "en", lecture.video_id), key)


async def _follow(pool: Pool, sent: Sequence[Sent]) -> list[dict[str, Any]]:
    """All videos' states, live, until each of these runs has ended."""
    deadline = time.monotonic() + PATIENCE
    with Live(console=err(), transient=True, refresh_per_second=8) as live:
        while True:
            rows = [await _row(pool, one) for one in sent]
            live.update(videos_table(rows))
            if all(row["status"] in queries.ENDINGS for row in rows):
                return rows
            if time.monotonic() > deadline:
                raise Failed(f"the videos did not end within {PATIENCE:.0f} s; see `chronos logs`")
            await asyncio.sleep(0.1)


async def _row(pool: Pool, sent: Sent) -> dict[str, Any]:
    video, creator = sent.event.subject(), sent.event.owner() or ""
    now = await queries.run_status(pool, creator, video, sent.run_id)
    known = await queries.videos(pool, video_id=video, creator_id=creator)
    empty = {"videoId": video, "creatorId": creator, "title": None, "durationSeconds": None, "language": None,
             "costMicroUsd": 0}  # fmt: skip
    return {**(known[0] if known else empty), "runId": sent.run_id, **now}


def _tables(shown: Shown) -> None:
    out().print(videos_table(shown.rows))
    speed = Table("stage", "seconds", "times real time", box=None, header_style="bold")
    for name, seconds, heard in shown.speeds():
        speed.add_row(name, f"{seconds:.1f}", f"{heard / seconds:.0f}" if seconds else "-")
    out().print(speed)
    out().print(f"{shown.paid} calls of the provider were made, {shown.remembered} results were remembered")
    for answer in shown.answers:
        _show_answer(answer)
    out().print(f"first search result after {shown.seconds_to_first:.1f} s, all done after {shown.seconds:.1f} s")


def _show_answer(answer: Answer) -> None:
    lecture = answer.lecture
    out().print(f"\n[bold]search:[/] {lecture.question}")
    show_hits(answer.hits)
    if answer.right:
        out().print(f"  [green]✓[/] said at {lecture.answer.start:.1f} s of {lecture.title!r}")


def _is_right(hit: Hit, lecture: Lecture) -> bool:
    return hit.video_id == lecture.video_id and abs(hit.start_seconds - lecture.answer.start) <= NEAR
