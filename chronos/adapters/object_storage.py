"""A bucket as a store: Amazon's S3 and what speaks like it, Google's and Azure's, all through obstore."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from agents.ports import (
    Fetched,
    ObjectMissing,
    OutsideStore,
    StorageBusy,
    StorageInterrupted,
    StorageRefused,
    StorageUnavailable,
)
from chronos.adapters.answers import LATER, SOON
from chronos.adapters.downloading import USUAL, Download, Opened, Patience, changed
from chronos.adapters.keys import key_of
from chronos.adapters.store import Found, Progress, unheard
from chronos.adapters.uploading import Upload
from streams.retry import Fault

PIECE = 8 << 20
"""Bytes of a part of an upload: S3 takes 10,000 parts, which is 80 GB, and none under 5 MiB."""

AT_ONCE = 4
"""Parts in the air: with PIECE, 32 MiB of memory."""

LEAST = 64 << 10
"""Bytes of a block. What is short of it when a connection breaks is lost, and asked for again."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"}


Bucket = S3Store | GCSStore | AzureStore


class ObjectStorage:
    """A bucket, or what is below a prefix in it. A storage path is a key there."""

    def __init__(self, place: str, reads: Bucket, writes: Bucket, patience: Patience = USUAL) -> None:
        """
        Args:
            place: its URL, for messages.
            reads: repeats no request by itself. writes: does.
        """
        self._place, self._bucket, self._writes, self._patience = place, reads, writes, patience

    async def fetch(self, path: str, room: Path) -> Fetched:
        """See agents.ports.Storage. The copy in the room is named `source`."""
        key = str(key_of(path))
        return await Download(self._named(key), partial(self._opened, key), self._patience).to(room / "source")

    async def put(self, file: Path, creator_id: str, progress: Progress = unheard) -> str:
        """See Store."""
        upload = await Upload.of(file)
        key = upload.key(creator_id)
        if await self._has(key, upload.size):
            progress(upload.size)
            return key
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        with self._asking(key):
            await obstore.put_async(
                self._writes,
                key,
                upload.blocks(progress),
                attributes={"Content-Type": kind},
                use_multipart=upload.size > PIECE,
                chunk_size=PIECE,
                max_concurrency=AT_ONCE,
            )
        return key

    async def look(self, path: str) -> Found:
        """See Store."""
        key = str(key_of(path))
        with self._asking(key):
            meta = await obstore.head_async(self._bucket, key)
        return Found(meta["size"], meta["e_tag"])

    async def part(self, path: str, found: Found, first: int, last: int) -> AsyncIterator[bytes]:
        """See Store."""
        key = str(key_of(path))
        with self._asking(key):
            options: obstore.GetOptions = {"range": (first, last + 1), "if_match": found.tag}
            result = await obstore.get_async(self._bucket, key, options=options)
            async for block in result.stream(LEAST):
                yield bytes(block)

    async def _has(self, key: str, size: int) -> bool:
        try:
            return (await self.look(key)).size == size
        except ObjectMissing:
            return False

    @asynccontextmanager
    async def _opened(self, key: str, first: int, tag: str | None) -> AsyncIterator[Opened]:
        """See downloading.Opens."""
        options: obstore.GetOptions = {"range": {"offset": first}, "if_match": tag} if first else {}
        with self._asking(key):
            async with asyncio.timeout(self._patience.stall):
                result = await obstore.get_async(self._bucket, key, options=options)
            blocks = (bytes(block) async for block in result.stream(LEAST))
            yield Opened(result.meta["size"], result.meta["e_tag"], blocks)

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        """What an error of the block means for the object."""
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError) as error:
            raise self._fault(error, key) from None  # its text holds the link, and that may hold a key

    def _fault(self, error: Exception, key: str) -> Fault:
        text, named = str(error), self._named(key)
        found, told = _STATUS.search(text), _CODE.search(text)
        status, code = int(found[1]) if found else None, told[1] if told else ""
        why = " ".join(str(one) for one in (status, code) if one)
        match error:
            case FileNotFoundError() if code in _NO_BUCKET:
                return StorageUnavailable(f"there is no bucket of {self._place}: make it, or check CHRONOS_STORAGE_URL")
            case FileNotFoundError():
                return ObjectMissing(f"there is no object {named}: upload it first")
            case PermissionDeniedError() | UnauthenticatedError():
                return StorageRefused(f"we may not reach {named} ({why}): check the key of the store and its rights")
            case PreconditionError():
                return changed(named)
            case ValueError():
                return OutsideStore(f"{named} is outside the store: it is no name of an object")
            case _:
                return _by_status(status, why, named) if status else self._away(text)

    def _named(self, key: str) -> str:
        return f"{key!r} in {self._place}"

    def _away(self, text: str) -> Fault:
        if "certificate" in text.lower():
            return StorageInterrupted(f"the certificate of {self._place}'s server is not valid: check its endpoint")
        return StorageInterrupted(f"{self._place} is out of reach, or broke off: check its endpoint, network and keys")


def _by_status(status: int, why: str, named: str) -> Fault:
    if status == 416:
        return changed(named)
    if status == 429:
        return StorageBusy(f"the store of {named} asks for patience (429)", SOON)
    if status in LATER or status >= 500:
        return StorageInterrupted(f"the store does not give {named} now ({why})")
    return StorageRefused(f"the store answers {why} for {named}: check its endpoint, region and keys")
