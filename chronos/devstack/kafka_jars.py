"""Kafka's jars: those pinned by kafka_jars.lock, in Maven's package cache or fetched into it, always checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from chronos.devstack.errors import JarAltered, JarsUnavailable
from chronos.devstack.steps import Tell, say_nothing

LOCK = Path(__file__).with_name("kafka_jars.lock")

_AT_ONCE = 8  # 47 jars took 7 s with eight at once, 20 s one after the other


@dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def place(self) -> Path:
        """Where Maven keeps it, from the root of a repository."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


def pinned() -> list[Jar]:
    """The jars that the lock names, in its order."""
    lines = (line.split() for line in LOCK.read_text().splitlines())
    return [Jar(sha256, *coordinate.split(":")) for sha256, coordinate in lines]


def repository() -> Path:
    """Maven's package cache: M2_REPO, or ~/.m2/repository."""
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def obtain(aside: Path, tell: Tell = say_nothing) -> Generator[None, None, list[Path]]:
    """The paths of all pinned jars. What is missing is fetched, by way of the folder `aside`.

    All are hashed each time: 46 MB in 0.06 s, so that nothing need be remembered about them.

    Raises:
        JarAltered: a jar in the cache is not the pinned one.
        JarsUnavailable: a jar could not be fetched or kept.
    """
    jars, root = pinned(), repository()
    missing = [jar for jar in jars if not (root / jar.place).exists()]
    if missing:
        yield from _fetch(missing, root, aside, tell)
    for jar in jars:
        _verify(jar, root / jar.place)
    return [root / jar.place for jar in jars]


def _verify(jar: Jar, file: Path) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise JarAltered(
            f"{file} is not the pinned {jar.artifact} {jar.version} "
            f"(sha256 {found[:12]}…, expected {jar.sha256[:12]}…); remove that file, and it is fetched again"
        )


def _fetch(missing: list[Jar], root: Path, aside: Path, tell: Tell) -> Generator[None, None, None]:
    """Fetches aside, checks, and puts each jar into the cache as a whole: what is there is never half of a jar."""
    shutil.rmtree(aside, ignore_errors=True)  # a fetch that was cut off may have left something
    waiting: SimpleQueue[Jar] = SimpleQueue()
    fetched: SimpleQueue[Jar | str] = SimpleQueue()
    try:
        _start_fetchers(missing, aside, waiting, fetched)
        for count in range(len(missing)):
            tell("kafka", f"fetching jar {count + 1} of {len(missing)}", count / len(missing))
            _place((yield from _next(fetched)), aside, root)
    finally:
        _drain(waiting)
        shutil.rmtree(aside, ignore_errors=True)


def _start_fetchers(
    jars: Iterable[Jar], aside: Path, waiting: SimpleQueue[Jar], fetched: SimpleQueue[Jar | str]
) -> None:
    for jar in jars:
        waiting.put(jar)
    for _ in range(_AT_ONCE):
        # daemons: a download that hangs must not hold up Ctrl-C
        threading.Thread(target=_fetcher, args=(aside, waiting, fetched), daemon=True).start()


def _fetcher(aside: Path, waiting: SimpleQueue[Jar], fetched: SimpleQueue[Jar | str]) -> None:
    """Fetches jar after jar. Puts each as it comes, or the reason why it does not."""
    from jgo.maven import MavenContext  # late: a start that finds all its jars does without

    context = MavenContext(repo_cache=aside, local_repos=[])
    while True:
        try:
            jar = waiting.get_nowait()
        except Empty:
            return
        try:
            context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors, jgo's own are RuntimeErrors
            fetched.put(f"{jar.artifact} {jar.version}: {error}")
        else:
            fetched.put(jar)


def _next(fetched: SimpleQueue[Jar | str]) -> Generator[None, None, Jar]:
    while fetched.empty():
        yield
    match fetched.get():
        case Jar() as jar:
            return jar
        case str() as reason:
            raise JarsUnavailable(
                f"Kafka's jars could not be fetched ({reason}); what came is kept: try again when the network is there"
            )


def _place(jar: Jar, aside: Path, root: Path) -> None:
    _verify(jar, aside / jar.place)
    kept = root / jar.place
    part = kept.with_suffix(".part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(aside / jar.place, part)
        part.replace(kept)
    except OSError as error:
        raise JarsUnavailable(f"Kafka's jars cannot be kept: {error}; set M2_REPO to a folder of yours") from error


def _drain(waiting: SimpleQueue[Jar]) -> None:
    while not waiting.empty():
        try:
            waiting.get_nowait()
        except Empty:
            return
