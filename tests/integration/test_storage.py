"""The store in a directory: what leaves it, what is missing, what is full."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest

from agents.ports import ObjectMissing, OutsideStore, StorageUnavailable
from chronos.adapters import file_storage
from chronos.adapters.file_storage import FileStorage
from chronos.adapters.scratch import DirectoryScratch

VIDEO = os.urandom(3_000_000)


@pytest.fixture
def store(tmp_path: Path) -> FileStorage:
    root = tmp_path / "store"
    (root / "anna").mkdir(parents=True)
    (root / "anna" / "lecture one.mp4").write_bytes(VIDEO)
    (tmp_path / "secret.txt").write_text("secret")
    return FileStorage(root)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


async def test_a_video_is_copied_with_its_size_and_digest(store: FileStorage, room: Path) -> None:
    fetched = await store.fetch("anna/lecture one.mp4", room)
    assert fetched.file.read_bytes() == VIDEO
    assert (fetched.bytes, fetched.sha256) == (len(VIDEO), hashlib.sha256(VIDEO).hexdigest())


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "anna/../../secret.txt",
        "anna/..",
        "/etc/passwd",
        "file:///etc/passwd",
        "https://example.org/a.mp4",
        "s3://bucket/a.mp4",
        "FILE:/etc/passwd",
        "anna/../../../../../../etc/passwd",
        "//etc/passwd",
        "a\u202eb",
        "a\u200bb",
        "a\u2028b",
        "\ufeffa",
        "a\x7fb",
        "",
        ".",
        "a\0b",
        "a\nb",
        "\ud800",
    ],
)
async def test_a_path_that_is_no_key_of_the_store_is_refused(store: FileStorage, room: Path, path: str) -> None:
    with pytest.raises(OutsideStore, match="outside the store"):
        await store.fetch(path, room)
    assert os.listdir(room) == []


async def test_a_link_that_leads_out_is_refused(store: FileStorage, room: Path) -> None:
    (store.root / "out").symlink_to("../secret.txt")
    (store.root / "up").symlink_to("..")
    (store.root / "loop").symlink_to("loop")
    for path in ("out", "up/secret.txt", "loop"):
        with pytest.raises(OutsideStore, match="link"):
            await store.fetch(path, room)


@pytest.mark.parametrize("path", ["anna/lecture one.mp4", "later/lecture one.mp4", "later"])
async def test_a_link_that_is_put_there_after_the_look_leads_nowhere(
    store: FileStorage, tmp_path: Path, room: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening somebody swaps a folder or a file for a link to the outside."""
    (tmp_path / "lecture one.mp4").write_text("secret")
    followed = file_storage._followed

    def swapped(root: Path, key: PurePosixPath, named: str) -> PurePosixPath:
        seen = followed(root, key, named)
        (store.root / "anna").rename(tmp_path / "away")
        (store.root / "anna").symlink_to(tmp_path)
        (store.root / "later").symlink_to(tmp_path / "secret.txt" if path == "later" else tmp_path)
        return seen

    monkeypatch.setattr(file_storage, "_followed", swapped)
    with pytest.raises(ObjectMissing):
        await store.fetch(path, room)
    assert os.listdir(room) == []


async def test_an_upload_does_not_follow_a_link_out(store: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (store.root / "eve").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutsideStore, match="link leads out"):
        await store.put(tmp_path / "secret.txt", "eve")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert not [name for name in os.listdir(store.root) if name.startswith(".part")]


async def test_a_link_within_the_store_is_followed(store: FileStorage, room: Path) -> None:
    (store.root / "latest.mp4").symlink_to("anna/lecture one.mp4")
    assert (await store.fetch("latest.mp4", room)).bytes == len(VIDEO)


@pytest.mark.parametrize(
    "path",
    [
        "anna/other.mp4",
        "anna",
        "anna/lecture one.mp4/x",
        "x" * 4000,
        "x/" * 40_000,
        "anna/" * 3 + "é" * 200,
        "..\\..\\secret.txt",
        "file:secret.txt",
        "%2e%2e/secret.txt",
        "\uff0e\uff0e/secret.txt",
        "\u2025/secret.txt",
        "~/secret.txt",
        "~root",
        "$HOME",
        "C:\\secret.txt",
    ],
)
async def test_what_is_not_there_is_missing(store: FileStorage, room: Path, path: str) -> None:
    with pytest.raises(ObjectMissing):
        await store.fetch(path, room)


async def test_a_pipe_does_not_hang_the_worker(store: FileStorage, room: Path) -> None:
    os.mkfifo(store.root / "pipe")
    async with asyncio.timeout(5):
        with pytest.raises(ObjectMissing, match="not a file"):
            await store.fetch("pipe", room)
        with pytest.raises(ObjectMissing, match="not a file"):
            await store.put(store.root / "pipe", "anna")


async def test_a_socket_and_a_device_are_no_videos(store: FileStorage, room: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(store.root / "door"))
    devices = ["door"]
    if os.getuid() == 0:
        os.mknod(store.root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        devices.append("zero")
    for name in devices:
        with pytest.raises(ObjectMissing, match="not a file"):
            await store.fetch(name, room)


async def test_a_store_whose_disk_is_not_mounted_is_tried_again(tmp_path: Path, room: Path) -> None:
    with pytest.raises(StorageUnavailable, match="mounted"):
        await FileStorage(tmp_path / "nowhere").fetch("a.mp4", room)


async def test_a_file_that_changes_while_it_is_read_is_tried_again(
    store: FileStorage, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = file_storage._copy_block

    def written(source: BinaryIO, out: BinaryIO, update: Callable[[bytes], None]) -> int:
        with (store.root / "anna" / "lecture one.mp4").open("r+b") as video:
            video.write(os.urandom(9))
        return copied(source, out, update)

    monkeypatch.setattr(file_storage, "_copy_block", written)
    with pytest.raises(StorageUnavailable, match="changed while it was read"):
        await store.fetch("anna/lecture one.mp4", room)
    assert os.listdir(room) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
async def test_a_full_disk_is_told_and_leaves_no_part(store: FileStorage, room: Path) -> None:
    (room / "source").symlink_to("/dev/full")
    with pytest.raises(StorageUnavailable, match="free some space"):
        await store.fetch("anna/lecture one.mp4", room)
    assert os.listdir(room) == []


async def test_an_upload_is_named_by_its_content_and_changes_nothing_twice(
    store: FileStorage, tmp_path: Path, room: Path
) -> None:
    file = tmp_path / "Über uns (final).mp4"
    file.write_bytes(VIDEO)
    written: list[int] = []
    key = await store.put(file, "anna", written.append)
    assert key == f"anna/{hashlib.sha256(VIDEO).hexdigest()[:16]}-Über-uns-final.mp4"
    assert sum(written) == len(VIDEO)
    before = (store.root / key).stat().st_ino
    assert await store.put(file, "anna") == key
    assert (store.root / key).stat().st_ino == before
    assert (await store.fetch(key, room)).bytes == len(VIDEO)
    assert not [name for name in os.listdir(store.root) if name.startswith(".part")]


@pytest.mark.parametrize("creator", ["..", ".", "a/../../b", "/etc", "a b", "ä", "x" * 200])
async def test_no_creators_name_leads_an_upload_out(
    store: FileStorage, tmp_path: Path, room: Path, creator: str
) -> None:
    key = await store.put(tmp_path / "secret.txt", creator)
    assert (await store.fetch(key, room)).bytes == 6
    assert len(Path(key).parts) == 2


async def test_uploading_what_is_not_there_says_so(store: FileStorage, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing, match=r"gone\.mp4"):
        await store.put(tmp_path / "gone.mp4", "anna")


def test_the_store_is_named_by_a_url() -> None:
    assert FileStorage.from_url("file:///srv/my%20videos").root == Path("/srv/my videos")
    for wrong in ("s3://bucket", "file://host/videos", "videos"):
        with pytest.raises(ValueError, match="file:///"):
            FileStorage.from_url(wrong)


async def test_a_room_is_empty_at_first_and_gone_at_the_end(tmp_path: Path) -> None:
    scratch = DirectoryScratch(tmp_path / "scratch")
    seen: list[Path] = []

    async def attempt() -> None:
        async with scratch.room() as room, scratch.room() as other:
            assert room != other
            assert os.listdir(room) == []
            (room / "source").write_bytes(b"x")
            seen.append(room)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await attempt()
    assert os.listdir(seen[0].parent) == [".lock"]
    scratch.close()
    assert os.listdir(tmp_path / "scratch") == [".lock"]


@pytest.fixture
def another_process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with a room in the same scratch."""
    program = (
        "import asyncio, sys; from pathlib import Path; from chronos.adapters.scratch import DirectoryScratch\n"
        "async def main():\n"
        "    async with DirectoryScratch(Path(sys.argv[1])).room() as room:\n"
        "        (room / 'source').write_bytes(b'x'); print(room, flush=True); sys.stdin.read()\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "scratch")]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True) as process:
        yield process
        process.kill()


def test_the_rooms_of_a_killed_process_are_removed_by_the_next_and_those_of_a_living_one_are_not(
    tmp_path: Path, another_process: subprocess.Popen[str]
) -> None:
    assert another_process.stdout
    room = Path(another_process.stdout.readline().strip())
    DirectoryScratch(tmp_path / "scratch").close()
    assert (room / "source").exists()
    another_process.kill()
    another_process.wait()
    DirectoryScratch(tmp_path / "scratch").close()
    assert not room.exists()
