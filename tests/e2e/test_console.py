"""The console in a real browser: what a person sees and does there."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from chronos.graph import graph
from chronos.pipeline import FUNCTIONS
from tests.browser import SIZES, Look, executable, visiting
from tests.e2e.test_rewind import chronos, videos
from tests.films import film, noise
from tests.stack import Hands, Stack, until

pytestmark = pytest.mark.skipif(executable() is None, reason="no Chromium on this machine: see the end of the run")

PAGES = [
    "/", "/videos", "/videos?creator=nobody", "/send", "/search", "/functions", "/log",
    "/log?topic=transcribe.requested", "/usage", "/health", "/failures", "/failures/deadletters",
    "/rewind?group=projection",
]  # fmt: skip


async def test_a_video_is_sent_from_the_form_watched_searched_and_played_at_the_second(
    hands: Hands, url: str, browser: Browser, tmp_path: Path
):
    await videos(hands, tmp_path, "first", 1)  # all is at work then
    path = await hands.upload(film(tmp_path / "a.mp4", (0, noise(5)), pictures=5), "ada")
    async with visiting(browser, url) as visit:
        page = visit.page
        await page.goto("/send?topic=transcribe.requested")
        await page.get_by_label("videoId").fill("by-form")
        await page.get_by_label("storagePath").fill(path)
        await page.get_by_label("title").fill("<script>alert(1)</script> «日本» שלום 🎓")
        await page.get_by_role("button", name="Send to transcribe.requested").click()
        await page.wait_for_url("**/runs/*")
        await expect(page.locator("#run dl .state.completed")).to_be_visible(timeout=60_000)  # without a reload
        heard = page.locator(".timeline > li").filter(has_text="transcribe-video")
        step = heard.locator(".steps > li").filter(has_text="extract-audio")
        await expect(step.locator(".took")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
        await heard.get_by_text("1 line of the log").click()
        await expect(heard.locator(".lines")).to_have_text(re.compile("info done$"))
        await page.get_by_role("link", name="by-form").click()
        await expect(page.locator("h1")).to_have_text("<script>alert(1)</script> «日本» שלום 🎓")
        words = await page.locator(".transcript p span").first.inner_text()
        await page.goto("/search")
        await page.get_by_label("Words").type(words[:40])
        await page.locator("#hits .hit a").first.click()
        wanted = float(page.url.partition("t=")[2])

        async def there() -> bool:
            at: float = await page.evaluate("document.querySelector('video')?.currentTime ?? -1")
            return abs(at - wanted) < 0.1

        await until("the player is at the second", there)
        assert not visit.trouble


async def test_the_log_leads_to_an_event_and_its_run_and_shows_what_comes(
    hands: Hands, url: str, browser: Browser, tmp_path: Path
):
    [sent] = await videos(hands, tmp_path, "logged", 1)
    async with visiting(browser, url) as visit:
        page = visit.page
        await page.goto("/log")
        await page.get_by_role("link", name="transcribe.requested", exact=True).click()
        place = f"{sent.place.partition}/{sent.place.offset}"
        await page.locator("#events").get_by_role("link", name=place, exact=True).click()
        await expect(page.locator("pre.payload")).to_contain_text('"videoId": "logged-0"')
        await visit.shoot("log-event-light")
        assert await visit.serious_faults() == []
        await page.locator("dl.facts").get_by_role("link", name=sent.run_id[-8:]).click()
        await page.wait_for_url(f"**/runs/{sent.run_id}")
        await page.goto(f"/log?topic=transcribe.requested&partition={sent.place.partition}")
        later = await hands.ask("tailed", sent.event.owner(), "creator-0/nothing.wav")
        await expect(page.locator("#events")).to_contain_text(f"{later.place.partition}/{later.place.offset}")
        await page.goto("/log?topic=transcribe.requested&video=tailed")
        await expect(page.locator("#events tbody tr")).to_have_count(1)
        await hands.ending(later)
        assert not visit.trouble


async def test_what_was_paid_is_summed_up_and_exported(hands: Hands, url: str, browser: Browser, tmp_path: Path):
    [sent] = await videos(hands, tmp_path, "billed", 1)
    async with visiting(browser, url) as visit:
        await visit.page.goto(f"/usage?creator={sent.event.owner()}")
        async with visit.page.expect_download() as downloading:
            await visit.page.get_by_role("link", name="Export CSV").click()
        rows = list(csv.DictReader((await (await downloading.value).path()).read_text().splitlines()))
        paid = await visit.page.locator(".tile .large").first.inner_text()
        assert {row["creatorId"] for row in rows} == {sent.event.owner()}
        total = sum(float(row["usd"]) for row in rows if row["how"] == "paid")
        assert total > 0
        assert paid == f"${total:,.4f}"
        assert not visit.trouble


async def test_the_overview_and_the_functions_show_all_functions_at_work(url: str, browser: Browser):
    async with visiting(browser, url) as visit:
        for path in ("/", "/functions"):
            await visit.page.goto(path)
            rows = await visit.page.locator("#functions tbody tr").all_inner_texts()
            assert [row.split()[0] for row in rows] == [function.name for function in FUNCTIONS]
            assert not any("none" in row for row in rows)
        assert await visit.page.locator("svg.pipeline rect").count() == len(graph().topics()) + len(FUNCTIONS)
        await visit.page.goto("/")
        await visit.page.keyboard.press("g")
        await visit.page.keyboard.press("h")
        await visit.page.wait_for_url("**/health")
        wrong = visit.page.locator("tr", has_text="wrong")
        assert not [row for row in await wrong.all_inner_texts() if row.endswith("–")], "a fault without a remedy"
        assert not visit.trouble


async def test_what_a_page_says_to_type_in_a_terminal_is_a_command(stack: Stack, url: str, browser: Browser):
    async with visiting(browser, url) as visit:
        for path in (
            "/functions", "/log", "/log?topic=transcribe.requested", "/usage?creator=creator-0", "/failures",
            "/failures/deadletters", "/rewind?group=projection",
        ):  # fmt: skip
            await visit.page.goto(path)
            typed = await visit.page.locator(".command code").inner_text()
            said = await chronos(stack, *shlex.split(typed)[1:])
            assert said.exit_code == 0, f"{typed}: {said.output}"
            assert said.output.strip()


@pytest.mark.parametrize("look", SIZES)
async def test_every_page_is_without_fault(hands: Hands, url: str, browser: Browser, look: Look, tmp_path: Path):
    async with visiting(browser, url, look) as visit:
        for path in PAGES:
            visit.weights.clear()
            await visit.page.goto(path)
            await visit.shoot(f"{path.strip('/').replace('/', '-').replace('?', '-') or 'overview'}-{look}")
            assert await visit.serious_faults() == []
            assert sum(visit.weights.values()) < 100_000, visit.weights
            assert await visit.too_wide() <= 0, f"{path} is too wide"
        assert not visit.trouble
