"""The stores that keep the contract, each against a real server on loopback, with a gate before it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import httpx
from moto.server import ThreadedMotoServer

from chronos import stores
from chronos.adapters.downloading import Patience
from chronos.adapters.https_storage import HttpsStorage
from chronos.adapters.links import Hosts
from chronos.adapters.store import Store
from chronos.config import Settings
from tests.azurite import AZURITE
from tests.buckets import SERVICE_ROLE, Buckets, azure, google, supabase
from tests.gate import Gate

SECRET = "UExBTlRFRC1zZWNyZXQtdGhhdC1ub2JvZHktbWF5LXNlZQ=="  # Azure's keys are base64
PATIENCE = Patience(largest=30_000_000, stall=5.0, pause=0.01, busy=2.0)


Write = Callable[[str, bytes], Awaitable[object]]


@dataclass
class Place:
    """A store, its server, and what a test does there behind its back."""

    base: str  # the URL without the bucket
    settings: Settings
    gate: Gate
    write: Write  # puts an object, as somebody else would
    endpoint: str = ""  # the setting that says where the server is

    def store(self, bucket: str = "videos", **patience: object) -> Store:
        return stores.opened(f"{self.base}{bucket}/lectures", self.settings, _patience(**patience))

    def elsewhere(self, url: str) -> Store:
        """The same store at a server of another URL."""
        return replace(self, settings=self.settings.model_copy(update={self.endpoint: url})).store()

    def path(self, name: str) -> str:
        """The storage path of an object."""
        return name


def _patience(**more: object) -> Patience:
    return replace(PATIENCE, **more)  # type: ignore[arg-type]


class Web(Place):
    """Links, which are a store only to read from."""

    def store(self, bucket: str = "", **patience: object) -> Store:
        hosts = Hosts([self.gate.url.removeprefix("http://")])
        return HttpsStorage(hosts, allow_own=True, patience=_patience(**patience))  # type: ignore[return-value]

    def path(self, name: str) -> str:
        return f"{self.gate.url}/videos/lectures/{name}?signature={SECRET}"


@asynccontextmanager
async def folder(home: Path) -> AsyncIterator[Place]:
    (home / "videos" / "lectures").mkdir(parents=True)

    async def write(name: str, content: bytes) -> None:
        file = home / "videos" / "lectures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    yield Place(f"{home.as_uri()}/", Settings(home=home), Gate(0), write)


@asynccontextmanager
async def web(home: Path) -> AsyncIterator[Place]:
    with Buckets(google) as served:
        async with Gate(served.port) as gate:
            yield Web("", Settings(home=home), gate, _shelved(served))


@asynccontextmanager
async def amazon(home: Path) -> AsyncIterator[Place]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
    try:
        async with Gate(port) as gate, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=signed) as client:
            (await client.put("/videos")).raise_for_status()

            async def write(name: str, content: bytes) -> None:
                (await client.put(f"/videos/lectures/{quote(name)}", content=content)).raise_for_status()

            keys = {"aws_access_key_id": "AKIAPLANTEDPLANTED00", "aws_secret_access_key": SECRET}
            settings = Settings(home=home, aws_endpoint_url=gate.url, **keys)
            yield Place("s3://", settings, gate, write, "aws_endpoint_url")
    finally:
        server.stop()


def _shelved(served: Buckets) -> Write:
    async def write(name: str, content: bytes) -> None:
        served.shelf.put(("videos", f"lectures/{name}"), content)

    return write


@asynccontextmanager
async def googles(home: Path) -> AsyncIterator[Place]:
    with Buckets(google) as served:
        async with Gate(served.port) as gate:
            settings = Settings(home=home, storage_emulator_host=gate.url)
            yield Place("gs://", settings, gate, _shelved(served), "storage_emulator_host")


def _azure_settings(home: Path, gate: Gate, key: str = SECRET) -> Settings:
    account = "devstoreaccount1"
    return Settings(
        home=home,
        azure_storage_account_name=account,
        azure_storage_account_key=key,
        azure_storage_endpoint=f"{gate.url}/{account}",
    )


@asynccontextmanager
async def azures(home: Path) -> AsyncIterator[Place]:
    with Buckets(azure) as served:
        async with Gate(served.port) as gate:
            yield Place("az://", _azure_settings(home, gate), gate, _shelved(served), "azure_storage_endpoint")


@asynccontextmanager
async def azurite(home: Path) -> AsyncIterator[Place]:
    """Microsoft's own emulator, which checks signatures as well; from npm, where somebody has installed it."""
    assert AZURITE
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [AZURITE, "--blobPort", str(port), "--inMemoryPersistence", "--silent", "--disableTelemetry"]
    process = await asyncio.create_subprocess_exec(*command, cwd=home, stdout=-3, stderr=-3)
    try:
        async with Gate(port) as gate, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await _answering(client)
            await _put(client, "videos", b"", {}, "restype=container")

            async def write(name: str, content: bytes) -> None:
                await _put(client, f"videos/lectures/{quote(name)}", content, {"x-ms-blob-type": "BlockBlob"})

            yield Place("az://", _azure_settings(home, gate, AZURITE_KEY), gate, write, "azure_storage_endpoint")
    finally:
        process.terminate()
        await process.wait()


# Published by Microsoft for its emulator: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


async def _put(client: httpx.AsyncClient, name: str, content: bytes, about: dict[str, str], query: str = "") -> None:
    """With Azure's Shared Key."""
    path = f"/devstoreaccount1/{name}"
    about = {**about, "x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    named = "\n".join(f"{name}:{about[name]}" for name in sorted(about))
    meant = [f"/devstoreaccount1{path}", *([query.replace("=", ":")] if query else [])]
    text = "\n".join(["PUT", "", "", str(len(content) or ""), *[""] * 8, named, *meant])
    code = base64.b64encode(hmac.new(base64.b64decode(AZURITE_KEY), text.encode(), hashlib.sha256).digest()).decode()
    about["Authorization"] = f"SharedKey devstoreaccount1:{code}"
    (await client.put(f"{path}?{query}", content=content, headers=about)).raise_for_status()


async def _answering(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.get("/")
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
            else:
                return


@asynccontextmanager
async def supabases(home: Path) -> AsyncIterator[Place]:
    with Buckets(supabase) as served:
        async with Gate(served.port) as gate:
            settings = Settings(home=home, supabase_url=gate.url, supabase_service_role_key=SERVICE_ROLE)
            yield Place("supabase://", settings, gate, _shelved(served), "supabase_url")


PLACES = {
    "file": folder,
    "s3": amazon,
    "gs": googles,
    "az": azures,
    "azurite": azurite,
    "supabase": supabases,
    "https": web,
}
