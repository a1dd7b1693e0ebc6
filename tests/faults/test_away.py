"""The world goes away in the middle of videos: the work waits, pays for nothing twice, and goes on by itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from chronos import queries
from chronos.sending import Sent
from chronos.verifying import verify
from tests.films import film, noise
from tests.stack import Hands, Stack, new_stack, until


@pytest.mark.parametrize(
    ("part", "setting"),
    [pytest.param("kafka", "KAFKA_BOOTSTRAP_SERVERS", marks=pytest.mark.long), ("postgres", "DATABASE_URL")],
)
async def test_a_part_that_is_killed_in_the_middle_of_videos_is_waited_for(tmp_path: Path, part: str, setting: str):
    with new_stack(tmp_path) as stack:
        stack.start_functions()
        stack.start_projection()
        stack.provider.slow(0.8)
        async with stack.hands() as hands:
            sent = await some_videos(hands, tmp_path)
            await until("calls in the middle of the videos", lambda: bought(stack, 2))
            server = getattr(stack, part)
            server.kill()
            await stack.provider.settled()  # what was in the air is paid, and has to be kept for later
            assert setting in await asyncio.to_thread(unhealthy, stack)
            server.start()
            endings = [await hands.ending(one, 90) for one in sent]
            assert [ending["status"] for ending in endings] == ["completed"] * 3
            assert stack.provider.bought_twice() == []
            assert await hands.pool.fetchval("SELECT max(attempts) FROM journal.runs") == 1
            report = await verify(hands.settings)
            assert (report.differences, report.without_ending) == ([], [])


@pytest.mark.long
async def test_with_the_database_away_a_projection_stops_when_it_is_told(tmp_path: Path):
    with new_stack(tmp_path) as stack:
        stack.start("projection", "--projection", more={"CHRONOS_DRAIN": "2"})
        async with stack.hands() as hands:
            await hands.ask("first", "ada", "ada/nothing.mp4")
            await until("it folds", lambda: is_known(hands, "first"))
            stack.postgres.kill()
            await hands.ask("later", "ada", "ada/nothing.mp4")  # there is something that it cannot fold
            assert await asyncio.to_thread(stack.terminate, "projection") == 0


@pytest.mark.long
async def test_a_disk_that_is_full_during_a_download_costs_an_attempt_and_leaves_no_file(tmp_path: Path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with new_stack(tmp_path) as stack:
        stack.start_projection()
        stack.start_functions(within=disk_of_its_own(scratch, "64k"))
        async with stack.hands() as hands:
            path = await hands.upload(film(tmp_path / "film.mp4", (0, noise(20))), "ada")
            sent = await hands.ask("video", "ada", path)
            retry = (await hands.retries(1))[0]
            assert b"free some space" in (retry.value or b"")
            worker = stack.processes["functions"].pid
            await until("the part file is gone", lambda: no_file_is_left(worker, scratch))
            await asyncio.to_thread(make_room, worker, scratch)
            assert (await hands.ending(sent))["status"] == "completed"
            assert await hands.pool.fetchval("SELECT attempts FROM journal.runs WHERE video_id = 'video'") > 1


async def is_known(hands: Hands, video: str) -> bool:
    return bool(await queries.videos(hands.pool, video_id=video))


def disk_of_its_own(folder: Path, size: str) -> list[str]:
    """What goes before a command so that it sees a small disk at the folder."""
    unshared = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshared, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives its users no mount namespace, so no disk can be made small for one process")
    return [*unshared, "sh", "-c", f'mount -t tmpfs -o size={size} none "$0" && exec "$@"', str(folder)]


def make_room(worker: int, folder: Path) -> None:
    its_own = ["nsenter", f"--target={worker}", "--user", "--mount"]
    subprocess.run([*its_own, "mount", "-o", "remount,size=64m", str(folder)], check=True)


async def no_file_is_left(worker: int, scratch: Path) -> bool:
    return await asyncio.to_thread(files_in, Path(f"/proc/{worker}/root{scratch}")) == {".lock"}


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


def unhealthy(stack: Stack) -> str:
    """What `chronos doctor` says of a stack that is not whole."""
    command = [sys.executable, "-m", "chronos", "doctor"]
    said = subprocess.run(command, env=stack.environment(), capture_output=True, text=True, timeout=120)
    assert said.returncode != 0, said.stdout
    return said.stdout + said.stderr


async def some_videos(hands: Hands, folder: Path) -> list[Sent]:
    """Of a few pieces each."""
    files = [film(folder / f"{n}.mp4", *((45 * k, noise(30 + n)) for k in range(3))) for n in range(3)]
    paths = [await hands.upload(file, f"creator-{n}") for n, file in enumerate(files)]
    return [await hands.ask(f"video-{n}", f"creator-{n}", path) for n, path in enumerate(paths)]


async def bought(stack: Stack, count: int) -> bool:
    return len(stack.provider.bill()) >= count
