"""A real browser for tests: headless Chromium, driven by Playwright, that notes all that goes wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Request, Response, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
"""A browser in a container, which speaks with nobody but the page's server."""

SHOTS = Path(os.environ.get("CHRONOS_SCREENSHOTS", ".chronos/screenshots"))

Look = Literal["light", "dark", "narrow"]
SIZES: dict[Look, tuple[int, int]] = {"light": (1280, 860), "dark": (1280, 860), "narrow": (375, 760)}


def executable() -> str | None:
    """Where a Chromium is: CHRONOS_BROWSER, or one of the usual names."""
    named = os.environ.get("CHRONOS_BROWSER")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=list(SWITCHES))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visit:
    """A page, and what went wrong in it."""

    page: Page
    trouble: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)  # bytes of each answer but media, by its address

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self._note(said.type in ("error", "warning"), said.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def _note(self, is_trouble: bool, text: str) -> None:
        if is_trouble:
            self.trouble.append(f"{self.page.url}: {text}")

    def _failed(self, request: Request) -> None:
        left = request.failure == "net::ERR_ABORTED"  # the page was left before all was there
        self._note(not left, f"{request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        self._note(response.status >= 400, f"{response.url}: {response.status}")
        if response.request.resource_type not in ("media", "eventsource"):
            self.weights[response.url] = int(response.headers.get("content-length", 0))

    async def serious_faults(self) -> list[str]:
        """What axe finds that is serious or critical."""
        found: dict[str, Any] = (await Axe().run(self.page)).response
        return [
            f"{self.page.url}: {one['id']}: {one['nodes'][0]['html']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    async def look(self, look: Look) -> None:
        """The same page at another size or in other colours."""
        width, height = SIZES[look]
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.emulate_media(color_scheme="dark" if look == "dark" else "light")

    async def too_wide(self) -> int:
        """Pixels that stand out of the window."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    async def shoot(self, name: str) -> None:
        await self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@asynccontextmanager
async def visiting(browser: Browser, base_url: str, look: Look = "light") -> AsyncIterator[Visit]:
    width, height = SIZES[look]
    context = await browser.new_context(
        base_url=base_url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if look == "dark" else "light",
    )
    try:
        yield Visit(await context.new_page())
    finally:
        await context.close()
