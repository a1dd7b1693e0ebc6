"""The console in a real browser: what a person sees and does there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser import SIZES, Look, browsing, executable, visiting
from tests.e2e.test_rewind import videos
from tests.films import film, noise
from tests.stack import Hands, until

pytestmark = pytest.mark.skipif(executable() is None, reason="no Chromium on this machine: see the end of the run")

PAGES = ["/videos", "/videos?creator=nobody", "/send", "/search"]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


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
        await expect(page.locator("#run .state.completed")).to_be_visible(timeout=60_000)  # without a reload
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


@pytest.mark.parametrize("look", SIZES)
async def test_every_page_is_without_fault(hands: Hands, url: str, browser: Browser, look: Look, tmp_path: Path):
    async with visiting(browser, url, look) as visit:
        for path in PAGES:
            visit.weights.clear()
            await visit.page.goto(path)
            await visit.shoot(f"{path.strip('/').replace('/', '-').replace('?', '-') or 'overview'}-{look}")
            assert await visit.serious_faults() == []
            assert sum(visit.weights.values()) < 100_000, visit.weights
            wide = await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{path} is {wide} pixels too wide"
        assert not visit.trouble
