"""A bucket of Supabase Storage, over its REST, with the service role's key.

That key may do everything in a project. So it is sent to ask for a link and to upload; what is read is read by the
link, which opens one object for an hour. When it ends in the middle of a download, a fresh one is asked for.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from agents.ports import (
    Fetched,
    ObjectMissing,
    StorageInterrupted,
    StorageRefused,
    StorageUnavailable,
)
from chronos.adapters.answers import ANOTHER, DENIED, GONE, HEADERS, LATER, busy, strong, whole_of
from chronos.adapters.downloading import USUAL, Download, Opened, Patience, changed, no_parts
from chronos.adapters.keys import key_of
from chronos.adapters.reaching import reason
from chronos.adapters.store import Found, Progress, unheard
from chronos.adapters.uploading import Upload
from streams.retry import Fault

LINK_SECONDS = 3600
"""For which a link opens its object. A stolen one is worth less the shorter it is; each costs a request."""

_PAUSES = (0.5, 2.0)
"""Seconds until an upload that broke is sent again."""

_LINK_ENDED = {HTTPStatus.BAD_REQUEST, *DENIED}  # how a link's token is refused: by 400 in older releases


@dataclass(frozen=True)
class Project:
    """Where, and with which key."""

    url: str
    key: str
    trust: ssl.SSLContext = field(default_factory=httpx.create_ssl_context)

    def client(self, patience: Patience) -> httpx.AsyncClient:
        """Follows no redirect, and sends the key by itself nowhere."""
        timeout = httpx.Timeout(patience.stall, connect=patience.connect)
        return httpx.AsyncClient(base_url=f"{self.url.rstrip('/')}/storage/v1", timeout=timeout, verify=self.trust)

    def key_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "apikey": self.key}


@dataclass
class _Link:
    """The way to one object, for a while."""

    key: str
    signed: str = ""


class SupabaseStorage:
    """A bucket, or what is below a prefix in it. A storage path is a key there."""

    def __init__(self, project: Project, bucket: str, prefix: str = "", patience: Patience = USUAL) -> None:
        self._project, self._bucket, self._prefix, self._patience = project, bucket, prefix, patience

    async def fetch(self, path: str, room: Path) -> Fetched:
        """See agents.ports.Storage. The copy in the room is named `source`."""
        link = _Link(self._key(path))
        return await Download(repr(path), partial(self._opened, link), self._patience).to(room / "source")

    async def put(self, file: Path, creator_id: str, progress: Progress = unheard) -> str:
        """See Store."""
        upload = await Upload.of(file)
        key = _plain(upload.key(creator_id))
        if await self._has(key, upload.size):
            progress(upload.size)
            return key
        for pause in _PAUSES:
            try:
                await self._send(upload, key, progress)
                return key
            except StorageInterrupted:
                progress = unheard  # has heard it already
                await asyncio.sleep(pause)
        await self._send(upload, key, progress)
        return key

    async def _send(self, upload: Upload, key: str, progress: Progress) -> None:
        kind = mimetypes.guess_type(upload.file.name)[0] or "application/octet-stream"
        headers = {"Content-Type": kind, "Content-Length": str(upload.size), "x-upsert": "true"}
        headers |= self._project.key_headers()
        at = self._at("object", self._key(key))
        async with self._asking(key) as client:
            answer = await client.post(at, headers=headers, content=upload.blocks(progress))
            self._expect(answer, key, HTTPStatus.OK)

    async def look(self, path: str) -> Found:
        """See Store. By its first byte: a question that all releases answer."""
        async with self._asking(path) as client, self._got(client, _Link(self._key(path)), _span(0, 0)) as answer:
            if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return Found(0, None)
            self._expect(answer, path, HTTPStatus.PARTIAL_CONTENT)
            return Found(self._whole(answer, path, 0), strong(answer.headers.get("etag")))

    async def part(self, path: str, found: Found, first: int, last: int) -> AsyncIterator[bytes]:
        """See Store."""
        link, span = _Link(self._key(path)), _span(first, last, found.tag)
        async with self._asking(path) as client, self._got(client, link, span) as answer:
            self._expect(answer, path, HTTPStatus.PARTIAL_CONTENT, found.tag)
            async for block in answer.aiter_raw():
                yield block

    @asynccontextmanager
    async def _opened(self, link: _Link, first: int, tag: str | None) -> AsyncIterator[Opened]:
        """See downloading.Opens."""
        asked = _span(first, None, tag) if first and tag else {}
        async with self._asking(link.key) as client, self._got(client, link, asked) as answer:
            if asked:
                self._expect(answer, link.key, HTTPStatus.PARTIAL_CONTENT, tag)
                size = self._whole(answer, link.key, first)
            else:
                self._expect(answer, link.key, HTTPStatus.OK)
                size = int(answer.headers["content-length"])
            yield Opened(size, strong(answer.headers.get("etag")), answer.aiter_raw())

    @asynccontextmanager
    async def _got(
        self, client: httpx.AsyncClient, link: _Link, asked: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a wish for the object, by a link that opens it."""
        for fresh in (not link.signed, True):
            if fresh:
                link.signed = await self._sign(client, link.key)
            async with client.stream("GET", link.signed, headers={**HEADERS, **asked}) as answer:
                if fresh or answer.status_code not in _LINK_ENDED:
                    if answer.is_error:
                        await answer.aread()
                    yield answer
                    return

    async def _sign(self, client: httpx.AsyncClient, key: str) -> str:
        wish = {"expiresIn": LINK_SECONDS}
        answer = await client.post(self._at("object/sign", key), headers=self._project.key_headers(), json=wish)
        self._expect(answer, key, HTTPStatus.OK)
        link = str(answer.json()["signedURL"])
        if not link.startswith("/object/sign/"):  # else somebody leads us elsewhere
            raise ValueError("no link of this project")
        return link

    @asynccontextmanager
    async def _asking(self, named: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client, and what its errors mean."""
        try:
            async with self._project.client(self._patience) as client:
                yield client
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise StorageInterrupted(f"Supabase did not give {named!r}, or broke off: {reason(error)}") from None
        except (KeyError, TypeError, ValueError) as error:
            raise StorageUnavailable(f"Supabase answers nonsense for {named!r} ({type(error).__name__})") from None

    async def _has(self, key: str, size: int) -> bool:
        try:
            return (await self.look(key)).size == size
        except ObjectMissing:
            return False

    def _key(self, path: str) -> str:
        """The object's name in the bucket."""
        return f"{self._prefix}/{key_of(path)}".lstrip("/")

    def _at(self, what: str, key: str) -> str:
        return f"/{what}/{quote(self._bucket, safe='')}/{quote(key)}"

    def _whole(self, answer: httpx.Response, named: str, first: int) -> int:
        size = whole_of(answer, first)
        if size is None:
            raise StorageUnavailable(f"Supabase gives another part of {named!r} than it was asked for")
        return size

    def _expect(self, answer: httpx.Response, named: str, status: HTTPStatus, tag: str | None = None) -> None:
        if answer.status_code == status:
            return
        if tag and answer.status_code in ANOTHER:
            raise changed(repr(named)) if answer.headers.get("etag") != tag else no_parts(repr(named))
        raise self._fault(answer, named)

    def _fault(self, answer: httpx.Response, named: str) -> Fault:
        status, said = _said(answer)
        where = f"{named!r} in supabase://{self._bucket}"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return busy(answer, "Supabase")
        if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return StorageInterrupted(f"Supabase does not give {where} now ({status})")
        if status in GONE and "bucket" in said:
            return StorageUnavailable(f"there is no bucket {self._bucket!r}: make it, or check CHRONOS_STORAGE_URL")
        if status in GONE:
            return ObjectMissing(f"there is no object {where}: upload it first")
        if status in DENIED or "jwt" in said or "signature" in said:
            return StorageRefused(f"Supabase refuses our key for {where} ({status}): check SUPABASE_SERVICE_ROLE_KEY")
        return StorageRefused(f"Supabase answers {status} for {where}, and not with an object")


def _said(answer: httpx.Response) -> tuple[int, str]:
    """The status that is meant, and words in small letters: a missing object may come as 400 that says 404."""
    try:
        told: Any = json.loads(answer.content)
        status = int(told.get("statusCode") or answer.status_code)
        return status, " ".join(str(told.get(name, "")) for name in ("code", "error", "message")).lower()
    except (ValueError, AttributeError, httpx.ResponseNotRead):
        return answer.status_code, ""


def _span(first: int, last: int | None, tag: str | None = None) -> dict[str, str]:
    span = {"Range": f"bytes={first}-{'' if last is None else last}"}
    return span | {"If-Range": tag} if tag else span


def _plain(key: str) -> str:
    """The key in the signs that Supabase allows: others as `=C3=BC`, where a quoted key has `%C3%BC`."""
    return quote(key, safe="/%").replace("%", "=")
