"""Videos in a directory: the store of `file://` URLs, for development and for machines with a shared disk."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from agents.ports import Fetched, ObjectMissing, OutsideStore, StorageUnavailable
from chronos.adapters.downloading import changed
from chronos.adapters.keys import key_of, upload_key
from chronos.adapters.parts import BLOCK, disk_trouble
from chronos.adapters.store import Found, Progress, unheard

_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.ENXIO, errno.ELOOP}
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class FileStorage:
    """A directory as a store. A storage path is a key in it, such as `anna/lecture.mp4`, and cannot leave it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_url(cls, url: str) -> FileStorage:
        """The store of a `file:///absolute/directory` URL."""
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError(f"{url!r} is not of the form file:///absolute/directory")
        return cls(Path(unquote(parts.path)))

    async def fetch(self, path: str, room: Path) -> Fetched:
        """See agents.ports.Storage. The copy in the room is named `source`."""
        with await asyncio.to_thread(self._open, path) as source:
            before = _found(source)
            copied, digest = await _copy(source, room / "source")
            if (Found(copied, before.tag), before) != (before, _found(source)):
                _remove(room / "source")
                raise changed(repr(path))
        return Fetched(file=room / "source", bytes=copied, sha256=digest)

    async def put(self, file: Path, creator_id: str, progress: Progress = unheard) -> str:
        """See Store."""
        part = self.root / f".part-{secrets.token_hex(8)}"
        with await asyncio.to_thread(open_local, file) as source:
            await asyncio.to_thread(_make, self.root)
            _, digest = await _copy(source, part, progress)
        key = upload_key(creator_id, digest, file.name)
        await asyncio.to_thread(_settle, part, self.root, key)
        return key

    async def look(self, path: str) -> Found:
        """See Store."""
        with await asyncio.to_thread(self._open, path) as file:
            return _found(file)

    async def part(self, path: str, found: Found, first: int, last: int) -> AsyncIterator[bytes]:
        """See Store."""
        with await asyncio.to_thread(self._open, path) as file:
            if _found(file) != found:
                raise changed(repr(path))
            await asyncio.to_thread(file.seek, first)
            left = last - first + 1
            while left and (block := await asyncio.to_thread(file.read, min(BLOCK, left))):
                left -= len(block)
                yield block
            if left:
                raise changed(repr(path))

    def _open(self, path: str) -> BinaryIO:
        key = key_of(path)
        root = self.root.resolve()
        if not root.is_dir():
            raise StorageUnavailable(f"the store {self.root.name!r} is not there: is its disk mounted?")
        return _open_within(root, _followed(root, key, path), path)


def open_local(file: Path) -> BinaryIO:
    """A file that somebody uploads.

    Raises:
        ObjectMissing, StorageUnavailable.
    """
    with _opening(str(file)):
        return _open_regular(str(file), str(file))


def _found(file: BinaryIO) -> Found:
    at = os.fstat(file.fileno())
    return Found(at.st_size, f"{at.st_ino}-{at.st_mtime_ns}-{at.st_size}")


def _followed(root: Path, key: PurePosixPath, named: str) -> PurePosixPath:
    """The key that is left when links within the store have been followed.

    Raises:
        OutsideStore: they lead out.
    """
    try:
        target = (root / key).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise OutsideStore(f"{named!r} is outside the store: its links lead nowhere") from error
    if not target.is_relative_to(root):
        raise OutsideStore(f"{named!r} is outside the store: a link leads out. Upload the file itself")
    return PurePosixPath(target.relative_to(root))


def _open_within(root: Path, key: PurePosixPath, named: str) -> BinaryIO:
    """Opens a file step by step and follows no link: one that was put there since the key was looked at leads nowhere.

    Raises:
        ObjectMissing, StorageUnavailable.
    """
    with ExitStack() as folders, _opening(named):
        folder = os.open(root, _FOLDER)
        folders.callback(os.close, folder)
        for part in key.parts[:-1]:
            folder = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            folders.callback(os.close, folder)
        return _open_regular(key.name or ".", named, folder)


def _open_regular(name: str, named: str, folder: int | None = None) -> BinaryIO:
    """Opens a regular file. A pipe or a device is not even opened: it would hang the worker, or do something.

    Args:
        folder: the directory that has the name; then the name may be no link.
    """
    follow = folder is None
    if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=follow).st_mode):
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        file = os.fdopen(os.open(name, flags, dir_fd=folder), "rb", buffering=0)
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()  # something else has taken its place
    raise ObjectMissing(f"{named!r} is not a file: give the key of a video")


@contextmanager
def _opening(named: str) -> Iterator[None]:
    """What the block's OSError means for the object.

    Raises:
        ObjectMissing, StorageUnavailable.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _GONE:
            raise ObjectMissing(f"there is no object {named!r} in the store: upload it first") from error
        raise StorageUnavailable(f"{named!r} cannot be read ({error.strerror}): check its permissions") from error


async def _copy(source: BinaryIO, target: Path, progress: Progress = unheard) -> tuple[int, str]:
    """Copies block by block, so that a cancellation is heard. A part that fails is removed.

    Raises:
        StorageUnavailable: the disk is full or broken.
    """
    digest, copied, whole = hashlib.sha256(), 0, False
    try:
        with target.open("wb") as out:
            while size := await asyncio.to_thread(_copy_block, source, out, digest.update):
                copied += size
                progress(size)
        whole = True
    except OSError as error:
        raise disk_trouble(error, copied) from error
    finally:
        if not whole:
            _remove(target)
    return copied, digest.hexdigest()


def _copy_block(source: BinaryIO, out: BinaryIO, update: Callable[[bytes], None]) -> int:
    block = source.read(BLOCK)
    update(block)
    out.write(block)
    return len(block)


def _remove(part: Path) -> None:
    with suppress(OSError):
        part.unlink()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            f"the store cannot be written ({error.strerror}): check {folder.name!r} and its permissions"
        ) from error


def _settle(part: Path, root: Path, key: str) -> None:
    """Gives an uploaded part its name. What is there already has the same content and stays.

    Raises:
        OutsideStore: the creator's folder is a link that leads out.
    """
    target = root / key
    try:
        _make(target.parent)
        _followed(root.resolve(), PurePosixPath(key).parent, key)
        if target.is_file() and target.stat().st_size == part.stat().st_size:
            part.unlink()
            return
        part.replace(target)
    except (OSError, OutsideStore, StorageUnavailable):
        part.unlink(missing_ok=True)
        raise
