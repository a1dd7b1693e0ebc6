"""How soon a real browser shows something of a page: first contentful paint, from the click on."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from benchmarks.serving import Address
from tests.browser import browsing, executable

PAINT = """() => new Promise(done => new PerformanceObserver(seen => {
    const [one] = seen.getEntriesByName("first-contentful-paint");
    if (one) done(one.startTime);
}).observe({type: "paint", buffered: true}))"""
"""A page is loaded before it is painted."""


def can_paint() -> bool:
    return executable() is not None


async def first_paints(url: str, pages: Mapping[str, Address], times: int = 10) -> dict[str, tuple[float, float]]:
    """Milliseconds, of each page's first paint: the median and the worst. Each time without a cache."""
    found = {}
    async with browsing() as browser:
        for name, path in pages.items():
            took = []
            for n in range(times):
                context = await browser.new_context(base_url=url)
                page = await context.new_page()
                await page.goto(path(n))
                took.append(float(await page.evaluate(PAINT)))
                await context.close()
            found[name] = (statistics.median(took), max(took))
    return found
