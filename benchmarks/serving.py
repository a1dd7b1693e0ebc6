"""How soon the HTTP API answers with 100,000 videos in the tables, of which 10,000 have vectors, over a real socket.

Usage: python -m benchmarks.serving [--videos 100000] [--times 100] [--keep]

Exit code 1 where the p95 of an answer is above 50 ms. The time of the search includes a provider of embeddings that
takes none; the rest of it is the server's and the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import uvicorn

from benchmarks import shelves
from benchmarks.history import CREATORS, MODEL, WORDS
from benchmarks.shelves import asked_at, name_of, run_of
from chronos import sides
from chronos.api.forms import to_cursor
from chronos.config import Settings
from chronos.devstack.local_ai.bill import Charge
from chronos.devstack.local_ai.models import Embedded
from chronos.devstack.local_ai.server import Service, create_app
from chronos.devstack.stack import Beside, DevStack
from schemas.topics import TOPICS
from streams.kafka import Cluster, Topics

GOAL = 50.0  # ms

Address = Callable[[int], str]  # of the n-th request, each another one


def pages(videos: int) -> dict[str, Address]:
    """What is asked for. A page of the console is one more line."""

    def number(n: int) -> int:
        return n * 7_919 % videos

    def deep(n: int) -> str:
        at = number(n)
        creator, video = name_of(at)
        return to_cursor({"requested_at": asked_at(at), "creator_id": creator, "video_id": video})  # type: ignore[arg-type]

    def words(n: int) -> str:
        return "+".join(WORDS[n % 1_000 : n % 1_000 + 2])

    day = asked_at(videos // 2).date()
    return {
        "videos": lambda n: "/v1/videos",
        "videos, a page further on": lambda n: f"/v1/videos?cursor={deep(n)}",
        "videos of a creator": lambda n: f"/v1/videos?creator=creator-{n % CREATORS}",
        "videos that failed": lambda n: "/v1/videos?status=failed",
        "videos that wait": lambda n: "/v1/videos?status=pending",
        "failed ones of a creator": lambda n: f"/v1/videos?status=failed&creator=creator-{n % CREATORS}",
        "a video": lambda n: "/v1/videos/{}/{}".format(*name_of(number(n))),
        "a run's trace": lambda n: f"/v1/runs/{run_of(number(n))}",
        "search": lambda n: f"/v1/search?q={words(n)}",
        "search of a creator's": lambda n: f"/v1/search?q={words(n)}&creator=creator-{n % CREATORS}",
        "usage, summed up": lambda n: "/v1/usage/sums",
        "usage of a month": lambda n: f"/v1/usage?since={day}&before={day.replace(month=day.month + 1)}",
        "usage of a creator": lambda n: f"/v1/usage?creator=creator-{n % CREATORS}",
        "failures": lambda n: "/v1/failures",
        "failures of a creator": lambda n: f"/v1/failures?creator=creator-{n % CREATORS}",
        "overview": lambda n: "/v1/overview",
        "page: videos": lambda n: "/videos",
        "page: overview": lambda n: "/",
        "page: a video": lambda n: "/videos/{}/{}".format(*name_of(number(n))),
        "page: a run": lambda n: f"/runs/{run_of(number(n))}",
        "page: search": lambda n: f"/search?q={words(n)}",
    }


@dataclass(frozen=True)
class Figures:
    """Of one kind of request."""

    name: str
    times: Sequence[float]  # ms
    size: int  # bytes of the largest answer

    def p95(self) -> float:
        return statistics.quantiles(self.times, n=20)[-1]

    def line(self) -> str:
        return f"{self.name:28}{statistics.median(self.times):8.1f}{self.p95():8.1f}{self.size / 1000:9.1f}"


def measure(url: str, videos: int, times: int) -> list[Figures]:
    with httpx.Client(base_url=url, timeout=60.0) as client:
        return [_measure(client, name, path, times) for name, path in pages(videos).items()]


def _measure(client: httpx.Client, name: str, path: Address, times: int) -> Figures:
    found, largest = [], 0
    for n in range(-5, times):  # the first ones warm it up
        began = time.monotonic()
        answer = client.get(path(abs(n)))
        took = (time.monotonic() - began) * 1000
        answer.raise_for_status()
        largest = max(largest, len(answer.content))
        found += [took] if n >= 0 else []
    return Figures(name, found, largest)


class Instant:
    """Embeds in no time; equal texts alike."""

    name = MODEL

    def load(self) -> None:
        """There is nothing to load."""

    def embed(self, texts: Sequence[str], *, dimensions: int | None) -> Embedded:
        vectors = [np.random.default_rng(len(text)).random(dimensions or shelves.DIMENSIONS) for text in texts]
        return Embedded(np.array([one / np.linalg.norm(one) for one in vectors], dtype=np.float32), len(texts))


class _NoBill:
    def add(self, charge: Charge) -> None:
        """Nobody pays."""


@contextmanager
def provider() -> Iterator[str]:
    """Its base URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(Service([], [Instant()], _NoBill()))  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


def served(stack: DevStack, home: Path, embedding: str) -> str:
    """The address of a server, as a process of its own."""
    env = {
        "CHRONOS_HOME": str(home), "OPENAI_BASE_URL": embedding, "CHRONOS_EMBEDDING_MODEL": MODEL,
        "CHRONOS_EMBEDDING_DIMENSIONS": str(shelves.DIMENSIONS),
    }  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def ready() -> bool:
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", port)) == 0

    stack.run(Beside("serve", [sys.executable, "-m", "chronos", "serve", "--port", str(port)], env, ready))
    return f"http://localhost:{port}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--keep", action="store_true", help="wait for Ctrl-C at the end, to look at the tables")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, provider() as embedding, DevStack(Path(folder)) as stack:
        seconds = asyncio.run(filled(stack, Path(folder), asked.videos))
        print(f"{platform.node()} {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        print(f"{asked.videos} videos, {shelves.EMBEDDED} of them with vectors; filled in {seconds:.0f} s", flush=True)
        url = served(stack, Path(folder), embedding)
        figures = measure(url, asked.videos, asked.times)
        print(f"{'':28}{'p50 ms':>8}{'p95 ms':>8}{'kB':>9}")
        print("\n".join(one.line() for one in figures), flush=True)
        _paint(url, asked.videos)
        if asked.keep:
            print(f"{url}  {stack.database_url}", flush=True)
            stack.wait()
    if missed := [one.name for one in figures if one.p95() > GOAL]:
        sys.exit(f"above {GOAL:g} ms: {', '.join(missed)}")


def _paint(url: str, videos: int) -> None:
    from benchmarks import painting  # it needs a browser, and this does not

    if not painting.can_paint():
        print("the browser's first paint was not measured: there is no Chromium here", flush=True)
        return
    shown = {name: path for name, path in pages(videos).items() if name.startswith("page: ")}
    for name, (median, worst) in asyncio.run(painting.first_paints(url, shown)).items():
        print(f"{name:28}{median:8.0f}{worst:8.0f}  first paint, median and worst", flush=True)


async def filled(stack: DevStack, home: Path, videos: int) -> float:
    """Seconds that it took."""
    Topics(Cluster(stack.bootstrap)).create(TOPICS.values())
    stack.announce()
    settings = Settings.load(home=home)
    await sides.prepare(settings)
    return await shelves.fill(settings, videos)


if __name__ == "__main__":
    main()
