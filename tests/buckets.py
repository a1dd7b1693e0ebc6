"""Servers of buckets for tests, each keeping to the documented REST of one product, as far as we use it.

Google Cloud Storage (XML API): the emulator from PyPI gives no ETag and no Last-Modified, without which obstore reads
nothing. Azure (Blob service): Put Blob, Put Block, Put Block List, Get Blob. Supabase Storage: sign, download, upload.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Self
from urllib.parse import quote
from xml.etree import ElementTree

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

Key = tuple[str, str]
"""Bucket and name."""


@dataclass
class Shelf:
    """What is kept."""

    buckets: set[str] = field(default_factory=lambda: {"videos"})
    objects: dict[Key, bytes] = field(default_factory=dict)
    pieces: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, Key] = field(default_factory=dict)  # tokens, until somebody clears them: then they have expired

    def put(self, key: Key, content: bytes) -> str:
        self.objects[key] = content
        return self.tag(key)

    def tag(self, key: Key) -> str:
        return f'"{hashlib.md5(self.objects[key]).hexdigest()}"'  # as S3 makes it

    def headers(self, key: Key) -> dict[str, str]:
        return {"ETag": self.tag(key), "Last-Modified": formatdate(usegmt=True), "Accept-Ranges": "bytes"}

    def given(self, key: Key, request: Request) -> Response:
        """A GET or HEAD with Range, If-Match and If-Range (RFC 9110)."""
        content, headers = self.objects[key], self.headers(key)
        if (wanted := request.headers.get("if-match")) and wanted != headers["ETag"]:
            return Response(status_code=412)
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range") or request.headers.get("x-ms-range", ""))
        if span is None or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
            return _body(request, content, 200, headers)
        first, last = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        if first > last:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return _body(request, content[first : last + 1], 206, headers)


def _body(request: Request, content: bytes, status: int, headers: dict[str, str]) -> Response:
    if request.method == "HEAD":
        return Response(status_code=status, headers={**headers, "Content-Length": str(len(content))})
    return Response(content, status, headers)


def _split(path: str) -> Key:
    bucket, _, name = path.strip("/").partition("/")
    return bucket, name


def _xml(status: int, code: str) -> Response:
    return Response(f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>", status, media_type="application/xml")


def _texts(body: bytes, name: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(body).iter() if one.tag.endswith(name)]


async def google(shelf: Shelf, request: Request) -> Response:
    """https://cloud.google.com/storage/docs/xml-api"""
    key, query, body = _split(request.scope["path"]), request.query_params, await request.body()
    if key[0] not in shelf.buckets:
        return _xml(404, "NoSuchBucket")
    match request.method:
        case "POST" if "uploads" in query:
            made = f"<UploadId>{secrets.token_hex(4)}</UploadId>"
            return Response(f"<InitiateMultipartUploadResult>{made}</InitiateMultipartUploadResult>")
        case "POST":
            parts = [shelf.pieces[f"{query['uploadId']}/{one}"] for one in _texts(body, "PartNumber")]
            made = f"<ETag>{shelf.put(key, b''.join(parts))}</ETag>"
            return Response(f"<CompleteMultipartUploadResult>{made}</CompleteMultipartUploadResult>")
        case "PUT" if "partNumber" in query:
            shelf.pieces[f"{query['uploadId']}/{query['partNumber']}"] = body
            return Response(headers={"ETag": f'"{query["partNumber"]}"'})
        case "PUT":
            return Response(headers={"ETag": shelf.put(key, body)})
        case "DELETE":  # an upload is given up
            return Response(status_code=204)
        case _:
            return shelf.given(key, request) if key in shelf.objects else _xml(404, "NoSuchKey")


async def azure(shelf: Shelf, request: Request) -> Response:
    """https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api, with the account in the path"""
    key, query, body = (
        _split(request.scope["path"].strip("/").partition("/")[2]),
        request.query_params,
        await request.body(),
    )
    if key[0] not in shelf.buckets:
        return _xml(404, "ContainerNotFound")
    match request.method, query.get("comp"):
        case "PUT", "block":
            shelf.pieces[f"{key}/{query['blockid']}"] = body
            return Response(status_code=201)
        case "PUT", comp:
            blocks = [shelf.pieces[f"{key}/{one}"] for one in _texts(body, "Uncommitted")] if comp else [body]
            shelf.put(key, b"".join(blocks))
            return Response(status_code=201, headers=shelf.headers(key))
        case _:
            return shelf.given(key, request) if key in shelf.objects else _xml(404, "BlobNotFound")


SERVICE_ROLE = "eyJhbGciOiJIUzI1NiJ9.service-role.PLANTED"


async def supabase(shelf: Shelf, request: Request) -> Response:
    """https://supabase.com/docs/reference/self-hosting-storage; errors are 400 with the status inside."""
    _, _, path = request.scope["path"].removeprefix("/storage/v1").split("/", 2)
    signing = path.startswith("sign/")
    key = _split(path.removeprefix("sign/"))
    if signing and request.method == "GET":
        if shelf.links.get(request.query_params.get("token", "")) != key:
            return _wrong(400, "InvalidJWT", '"exp" claim timestamp check failed')
        return shelf.given(key, request)
    if request.headers.get("authorization") != f"Bearer {SERVICE_ROLE}":
        return _wrong(403, "Unauthorized", "signature verification failed")
    if key[0] not in shelf.buckets:
        return _wrong(404, "Bucket not found", "Bucket not found")
    if not signing:
        content = await request.body()
        if not re.fullmatch(r"[\w/!\-.*'() &$@=;:+,?]+", key[1], re.ASCII):
            return _wrong(400, "InvalidKey", f"Invalid key: {key[1]}")
        shelf.put(key, content)
        return JSONResponse({"Key": "/".join(key), "Id": "0"})
    if key not in shelf.objects:
        return _wrong(404, "not_found", "Object not found")
    token = secrets.token_urlsafe(12)
    shelf.links[token] = key
    return JSONResponse({"signedURL": f"/object/sign/{quote('/'.join(key))}?token={token}"})


def _wrong(status: int, error: str, message: str) -> Response:
    return JSONResponse({"statusCode": str(status), "error": error, "message": message}, 400)


class Buckets:
    """A server of one product, run by a thread of this process."""

    def __init__(self, product: Callable[[Shelf, Request], Awaitable[Response]]) -> None:
        self.shelf = Shelf()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            await (await product(self.shelf, request))(scope, receive, send)

        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        config = uvicorn.Config(app, log_level="critical", access_log=False, ws="none", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],), name="buckets")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.close()
