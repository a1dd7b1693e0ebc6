"""What people take away of a video, of a running system: files, chapters and links, by command, API and page."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import httpx
import pytest
import webvtt
from click.testing import Result
from playwright.async_api import expect
from typer.testing import CliRunner

from chronos.cli import root
from chronos.export_formats import KINDS, Format
from tests.browser import browsing, executable, visiting
from tests.films import film, noise
from tests.stack import Hands, Stack

TIDES = "The moon pulls at the sea and so the tide comes. "  # 11 words
BREAD = "Yeast in warm dough makes gas and the bread rises well. "
LENGTH = 58.0
VIDEO = "/v1/videos/ada/two-things"


@pytest.fixture
async def heard(hands: Hands, stack: Stack, tmp_path: Path) -> None:
    """A video that is about the sea in its first half, and about bread in its second."""
    stack.provider.say(TIDES * 120 + BREAD * 120)
    path = await hands.upload(film(tmp_path / "a.mp4", (0, noise(LENGTH)), pictures=LENGTH), "ada")
    sent = await hands.ask("two-things", "ada", path, title="Two things / <b>")
    assert (await hands.ending(sent))["status"] == "completed"


async def run(stack: Stack, *words: str) -> Result:
    return await asyncio.to_thread(CliRunner(env=stack.environment()).invoke, root.app, words)


async def test_a_video_about_two_things_is_taken_away(heard: None, stack: Stack, url: str, tmp_path: Path):
    async with httpx.AsyncClient(base_url=url) as client:
        files = {kind: await client.get(f"{VIDEO}/export", params={"format": kind}) for kind in Format}
        for kind, answer in files.items():
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].split(";")[0] == KINDS[kind].media_type
            assert f'attachment; filename="Two things b.{kind}"' in answer.headers["content-disposition"]
        said = (await client.get(f"{VIDEO}/transcript")).json()["text"].split()
        for read in (
            webvtt.from_string(files[Format.VTT].text),
            webvtt.from_buffer(io.StringIO(files[Format.SRT].text), format="srt"),
        ):
            assert " ".join(cue.text.replace("\n", " ") for cue in read).split() == said
        assert files[Format.TXT].text.split() == said

        cut = (await client.get(f"{VIDEO}/chapters")).json()["chapters"]
        assert [round(one["startSeconds"]) for one in cut] == [0, pytest.approx(LENGTH / 2, abs=4)]
        assert {"moon", "sea", "tide", "pulls"} & set(cut[0]["title"].lower().split(", "))
        assert {"yeast", "bread", "dough", "gas"} & set(cut[1]["title"].lower().split(", "))
        assert json.loads(files[Format.JSON].text)["chapters"] == cut
        assert f"## 0:00 {cut[0]['title']}" in files[Format.MD].text
        three = (await client.get(f"{VIDEO}/chapters", params={"youtube": True})).json()["chapters"]
        assert len(three) >= 3
        assert (await client.get(VIDEO)).json()["language"] == "en"
        assert (await client.get(f"{VIDEO}/export", params={"format": "pdf"})).status_code == 422
        assert (await client.get("/v1/videos/ada/nothing/export", params={"format": "srt"})).status_code == 404

    for kind, answer in files.items():
        file = tmp_path / f"taken.{kind}"
        assert (await run(stack, "export", "two-things", "--output", str(file))).exit_code == 0
        assert file.read_text(encoding="utf-8") == answer.text
    assert (await run(stack, "export", "two-things", "--format", "txt")).stdout == files[Format.TXT].text
    shown = await run(stack, "chapters", "two-things")
    assert shown.stdout.startswith(f"0:00 {cut[0]['title']}\n0:")
    assert "read it before you publish it" in shown.stderr
    listed = await run(stack, "chapters", "two-things", "--json")
    assert json.loads(listed.stdout)["chapters"] == cut
    shared = await run(stack, "share", "two-things", "--at", "0:32")
    assert shared.stdout == "http://localhost:8288/videos/ada/two-things?t=32\n"
    assert (await run(stack, "share", "two-things", "--at", "1:02")).exit_code == 2
    assert " en " in (await run(stack, "status", "two-things")).stdout


@pytest.mark.skipif(executable() is None, reason="no Chromium on this machine: see the end of the run")
async def test_the_page_has_the_files_the_chapters_and_a_link_to_the_second(heard: None, url: str):
    async with browsing() as browser, visiting(browser, url) as visit:
        page = visit.page
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.goto("/videos/ada/two-things")
        links = page.locator("#taking a[download]")
        assert await links.all_inner_texts() == [kind.upper() for kind in Format]
        async with page.expect_download() as taken:
            await links.first.click()
        assert (await taken.value).suggested_filename == "Two things b.srt"
        await expect(page.locator("#chapters li")).to_have_count(2)
        await page.locator("#chapters a").last.click()
        begins = float(page.url.partition("t=")[2])
        await page.evaluate("document.querySelector('video').pause()")
        await page.get_by_role("button", name="copy a link to this second").click()
        copied: str = await page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"{url}/videos/ada/two-things?t=")
        assert 0 <= begins - int(copied.partition("t=")[2]) + 1 <= 2
        assert await visit.serious_faults() == []
        assert not visit.trouble
