"""What is asked for while faults strike: videos of several creators, one of whom sends half of them in bursts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from chronos.sending import Sender
from schemas.transcription import TranscribeRequested
from streams.kafka import DeliveryFailed
from tests.faults.campaign import films

MANY, BURST = "many", 20
OTHERS = tuple(f"creator-{n}" for n in range(7))

Sort = Literal["good", "silent", "missing", "broken", "again", "copy"]
ODD: tuple[Sort, ...] = ("silent", "missing", "broken", "again", "copy")
ODD_EVERY = 8  # requests
EXPECTED = {"missing": "failed", "broken": "failed"}


@dataclass(frozen=True)
class Request:
    """A video to be asked for. `film`: whose sound it has: a copy's is another video's, and `again` is that video."""

    number: int
    at: float  # seconds after the beginning
    creator: str
    sort: Sort
    film: int
    parts: int

    @property
    def video(self) -> str:
        return f"video-{self.film if self.sort == 'again' else self.number}"

    @property
    def expected(self) -> str:
        return EXPECTED.get(self.sort, "completed")


@dataclass
class Asked:
    """A request that is on the log, with the run that it began."""

    request: Request
    run_id: str
    at: float  # seconds since 1970


def requests(seed: int, count: int, length: float) -> list[Request]:
    """The requests of a campaign of so many seconds, in the order of time."""
    dice = random.Random(f"load {seed}")
    times = sorted((*_bursts(count // 2, length), *_spread(count - count // 2, length, dice)))
    made: list[Request] = []
    for number, (at, creator) in enumerate(times):
        creator = creator or dice.choice(OTHERS)
        mine = [r for r in made if r.creator == creator and r.sort == "good"]
        sort: Sort = dice.choice(ODD) if number % ODD_EVERY == ODD_EVERY - 1 else "good"
        if sort in ("again", "copy") and not mine:
            sort = "good"
        model = mine[-1] if sort in ("again", "copy") else None  # the newest: it may be under way
        parts = model.parts if model else dice.choice((1, 1, 2, 3))
        made.append(Request(number, at, creator, sort, model.film if model else number, parts))
    return made


def _bursts(count: int, length: float) -> list[tuple[float, str]]:
    bursts = -(-count // BURST)
    return [(round(n // BURST * length / max(1, bursts), 2), MANY) for n in range(count)]


def _spread(count: int, length: float, dice: random.Random) -> list[tuple[float, str]]:
    return [(round(dice.uniform(0, length), 2), "") for _ in range(count)]


@dataclass
class Load:
    """Sends what is due, and notes what is on the log. A request is lost only if it is among `asked`."""

    store: Path
    send: Sender
    asked: list[Asked] = field(default_factory=list)

    async def run(self, due: list[Request], began: float) -> None:
        """Sends each at its time, `began` being a time of the loop's clock."""
        async with asyncio.TaskGroup() as group:
            for request in due:
                await asyncio.sleep(max(0.0, began + request.at - asyncio.get_running_loop().time()))
                group.create_task(self._ask(request))

    async def _ask(self, request: Request) -> None:
        path = self._put(request)
        event = TranscribeRequested(video_id=request.video, creator_id=request.creator, storage_path=path)
        while True:
            try:
                sent = await self.send.send(event)
            except DeliveryFailed:
                continue
            self.asked.append(Asked(request, sent.run_id, sent_at(sent.run_id)))
            return

    def _put(self, request: Request) -> str:
        """The video in the store, where a producer would have uploaded it."""
        name = "absent" if request.sort == "missing" else request.sort
        path = f"{request.creator}/{request.video}-{name}.wav"
        if request.sort in ("missing", "again"):
            return path.replace("again", "good")
        file = self.store / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if request.sort == "broken":
            file.write_bytes(b"this is no film " * 64)
        else:
            films.write(file, request.film, 0 if request.sort == "silent" else request.parts)
        return path


def sent_at(run_id: str) -> float:
    """The time that a run's id carries, in seconds since 1970."""
    return (int(run_id.replace("-", ""), 16) >> 80) / 1000
