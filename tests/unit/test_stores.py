"""Which store a path leads into: by its form alone, and only where the settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.ports import Fetched, OutsideStore
from chronos import app, stores
from chronos.adapters.routed_storage import RoutedStorage
from chronos.adapters.store import Found, Progress, unheard
from chronos.config import Settings
from streams.redaction import redact

SUPABASE = "https://p.supabase.co"


class Noting:
    """A store that says which of its objects it was asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def fetch(self, path: str, room: Path) -> Fetched:
        return Fetched(Path(self.name) / path, 0, "")

    async def put(self, file: Path, creator_id: str, progress: Progress = unheard) -> str:
        return f"{self.name}/{creator_id}/{file.name}"

    async def look(self, path: str) -> Found:
        return Found(1, f"{self.name} {path}")

    async def part(self, path: str, found: Found, first: int, last: int) -> AsyncIterator[bytes]:
        yield f"{self.name} {path}".encode()


@pytest.fixture
def all_stores() -> RoutedStorage:
    named = {"s3://archive/old": Noting("archive"), f"{SUPABASE}/storage/v1/object/sign/v": Noting("supabase")}
    return RoutedStorage(Noting("own"), Noting("web"), named)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("anna/a.mp4", "own/anna/a.mp4"),
        ("s3:anna/a.mp4", "own/s3:anna/a.mp4"),
        ("s3://archive/old/anna/a%20b.mp4", "archive/anna/a%20b.mp4"),
        ("https://files.example/a.mp4?x=1", "web/https:/files.example/a.mp4?x=1"),
        (f"{SUPABASE}/storage/v1/object/sign/v/a%20b.mp4?token=x", "supabase/a b.mp4"),
        (f"{SUPABASE}/storage/v1/object/sign/vv/a.mp4", f"web/https:/{SUPABASE[8:]}/storage/v1/object/sign/vv/a.mp4"),
    ],
)
async def test_a_path_says_where_it_leads(all_stores: RoutedStorage, path: str, found: str) -> None:
    assert str((await all_stores.fetch(path, Path())).file) == found


@pytest.mark.parametrize(
    "path", ["s3://archive/older/a.mp4", "s3://archive", "gs://archive/old/a.mp4", "S3://archive/old/a"]
)
async def test_a_store_that_is_not_named_is_outside(all_stores: RoutedStorage, path: str) -> None:
    with pytest.raises(OutsideStore, match="CHRONOS_STORES"):
        await all_stores.fetch(path, Path())
    with pytest.raises(OutsideStore, match="CHRONOS_STORES"):
        await all_stores.look(path)


async def test_what_is_behind_a_link_is_not_handed_on(all_stores: RoutedStorage) -> None:
    with pytest.raises(OutsideStore, match="not handed on"):
        await all_stores.look("https://files.example/a.mp4")
    found = await all_stores.look("s3://archive/old/a.mp4")
    assert [block async for block in all_stores.part("s3://archive/old/a.mp4", found, 0, 0)] == [b"archive a.mp4"]


async def test_uploads_go_into_the_own_store(all_stores: RoutedStorage) -> None:
    assert await all_stores.put(Path("a.mp4"), "anna") == "own/anna/a.mp4"


@pytest.mark.parametrize(
    "url", ["ftp://host/videos", "s3://", "s3://bu cket", "videos", "s3://id:word@bucket", "http://host"]
)
def test_a_store_that_is_none_is_told_with_what_there_is(url: str) -> None:
    with pytest.raises(stores.BadStore, match="s3://bucket/prefix") as error:
        app.store(Settings(storage_url=url))
    assert "word" not in str(error.value)


def test_supabase_without_its_key_names_what_is_missing() -> None:
    with pytest.raises(stores.BadStore, match="SUPABASE_SERVICE_ROLE_KEY"):
        app.store(Settings(storage_url="supabase://videos", supabase_url=SUPABASE))


def test_other_stores_are_listed_with_commas_or_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("s3://a/b/, gs://c", '["s3://a/b", "gs://c"]'):
        monkeypatch.setenv("CHRONOS_STORES", text)
        assert Settings().stores == ("s3://a/b", "gs://c")
    with pytest.raises(ValidationError, match="is no store"):
        Settings(stores="file:///srv")


def test_keys_come_by_their_usual_names_and_stay_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "AWS_SECRET_ACCESS_KEY",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "SUPABASE_SERVICE_ROLE_KEY",
    )
    for name in names:
        monkeypatch.setenv(name, f"planted word of {name.lower()}")
    settings = Settings()
    assert len(list(settings.store_secrets())) == len(names)
    assert "planted" not in redact(" ".join(f"planted word of {name.lower()}" for name in names))
    assert "planted" not in repr(settings)
