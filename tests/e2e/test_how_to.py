"""The pages under docs/how-to: what they tell people to type is typed here, in their order, and does what it should."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from chronos import queries, sides
from chronos.searching import search
from chronos.verifying import verify
from tests.e2e.test_rewind import caught_up, chronos, videos
from tests.films import film, noise
from tests.pages import PAGES, snippets
from tests.stack import Hands, Stack, until


def commands(page: str) -> list[list[str]]:
    """The lines of its shell snippets, without `chronos`."""
    lines = [line for snippet in snippets(page, "sh") for line in snippet.splitlines()]
    assert all(line.startswith("chronos ") for line in lines), lines
    return [shlex.split(line)[1:] for line in lines]


async def follow(stack: Stack, page: str, more: Mapping[str, str] | None = None) -> None:
    for words in commands(page):
        done = await chronos(stack, *words, more=more)
        assert done.exit_code == 0, (words, done.stdout, done.stderr)


def test_every_page_is_followed() -> None:
    followed = {
        "add-a-projection",  # tests/e2e/test_old_events.py
        "change-an-event",  # there too, and tests/unit/test_how_to_change_an_event.py
        "change-a-function",
        "rewind-a-group",
        "run-again-what-failed",
        "rebuild-the-tables",
        "change-the-embedding-model",
        "recover-from-a-lost-database",
        "delete-a-video",
        "stores",  # tests/e2e/test_stores.py
        "webhooks",  # tests/e2e/test_webhooks.py
        "send-events",
        "run-in-production",  # tests/e2e/test_production.py, and tests/unit/test_deploy.py
        "from-inngest",  # tests/e2e/test_import.py
    }
    assert {page.stem for page in PAGES.glob("*.md")} == followed


async def test_rewind_a_group_and_run_again_what_failed(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(film(tmp_path / "ada.wav", (0, noise(2)), codec="pcm_s16le"), "ada")
    await hands.ending(await hands.ask("of-ada", "ada", path))
    await hands.ending(await hands.ask("lost", "ada", "ada/nothing.mp4"))
    await until("all is acked", lambda: caught_up(hands))
    paid = len(stack.provider.bill())
    await follow(stack, "rewind-a-group")
    await until("all is acked", lambda: caught_up(hands))
    await follow(stack, "run-again-what-failed")
    await until("all is acked", lambda: caught_up(hands))
    assert len(stack.provider.bill()) == paid
    assert (await verify(hands.settings)).ok


@pytest.mark.long
async def test_rebuild_the_tables(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "pages", 2)
    await follow(stack, "rebuild-the-tables")
    assert (await verify(hands.settings)).ok


@pytest.mark.long
async def test_change_the_embedding_model(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "spaces", 3)
    await follow(stack, "change-the-embedding-model")
    assert await search(hands.settings, "tide", None)
    assert (await verify(hands.settings)).ok


@pytest.mark.long
async def test_change_a_function(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "cut", 2, seconds=40)
    await until("all is acked", lambda: caught_up(hands))
    setting = dict(
        line.split("=", 1) for snippet in snippets("change-a-function", "env") for line in snippet.splitlines()
    )
    stack.terminate("functions")
    stack.start_functions(more=setting)
    heard = len(stack.provider.bill())
    await follow(stack, "change-a-function", setting)
    await until("all is acked", lambda: caught_up(hands))
    pieces = [charge for charge in stack.provider.bill()[heard:] if charge.kind == "transcription"]
    assert len(pieces) == 2 * 3  # 15, 15 and 10 seconds of each
    assert (await verify(hands.settings)).ok
    stack.terminate("functions")
    stack.start_functions()


@pytest.mark.long
async def test_delete_a_video(hands: Hands, stack: Stack, tmp_path: Path):
    path = await hands.upload(film(tmp_path / "tides.wav", (0, noise(2.5)), codec="pcm_s16le"), "ada")
    await hands.ending(await hands.ask("how-tides-work", "ada", path))
    await until("all is acked", lambda: caught_up(hands))
    await follow(stack, "delete-a-video")
    await until("all is acked", lambda: caught_up(hands))
    assert (await chronos(stack, "status", "how-tides-work")).exit_code == 1
    assert (await verify(hands.settings)).ok


@pytest.mark.long
async def test_recover_from_a_lost_database(hands: Hands, stack: Stack, tmp_path: Path):
    await videos(hands, tmp_path, "kept", 3)
    await until("all is acked", lambda: caught_up(hands))
    found = await search(hands.settings, "tide", None)
    for name in ("functions", "projection"):
        assert await asyncio.to_thread(stack.terminate, name) == 0
    connection = await asyncpg.connect(stack.database)
    for schema in (*(side.schema for side in await sides.sides(connection)), "chronos", "journal"):
        await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
    await connection.close()

    stack.start_projection()
    await follow(stack, "recover-from-a-lost-database")
    assert await search(hands.settings, "tide", None) == found
    paid = len(stack.provider.bill())
    stack.start_functions()
    for group in ("transcribe-video", "generate-embeddings"):
        said = await chronos(stack, "rewind", group, "--to-earliest", "--execute")
        assert said.exit_code == 0, said.stderr
    await until("all is acked", lambda: caught_up(hands))
    assert len(stack.provider.bill()) == paid
    assert (await verify(hands.settings)).ok


async def test_send_events(hands: Hands, stack: Stack, url: str):
    """All but the snippets of other languages."""
    folder = stack.home / "store" / "ada"
    folder.mkdir(parents=True, exist_ok=True)
    film(folder / "lecture-01.wav", (0, noise(3)), codec="pcm_s16le")
    settings = dict(line.split("=", 1) for line in snippets("send-events", "env")[0].splitlines())
    env = stack.environment() | settings | {"CHRONOS_URL": url}
    shell = [["bash", "-euc", snippet] for snippet in snippets("send-events", "sh")]
    for command in (*shell, *([sys.executable, "-c", snippet] for snippet in snippets("send-events", "python"))):
        done = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command[-1], done.stdout, done.stderr)

    async def all_completed() -> bool:
        found = {video["videoId"]: video["status"] for video in await queries.videos(hands.pool, creator_id="ada")}
        wanted = ("by-curl", "by-client", "by-kafka", "by-avro", "a", "b", "c", "d", "e")
        return all(found.get(name) == "completed" for name in wanted)

    await until("all that was sent is completed", all_completed)
