"""What operators do at the console, in a real browser: the plan is shown, then it is done, and seen to be done."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect
from starlette.routing import Route

from chronos.console.router import PAGES
from tests.browser import SIZES, Look, Visit, executable, visiting
from tests.e2e.conftest import serving
from tests.e2e.test_api import served_here
from tests.e2e.test_deadletters import GARBAGE, backlog, produce, request
from tests.e2e.test_rewind import caught_up, videos
from tests.films import film, noise
from tests.stack import Hands, Stack, until

pytestmark = pytest.mark.skipif(executable() is None, reason="no Chromium on this machine: see the end of the run")

FORMS = sorted(
    route.path
    for page in PAGES
    for route in page.router.routes
    if isinstance(route, Route) and "POST" in (route.methods or ())
)
assert len(FORMS) > 5
PLACES = {"creator": "ada", "video": "x", "run_id": "00000000-0000-7000-8000-000000000000"}


async def looked_at(visit: Visit, name: str, *looks: Look) -> None:
    """A page on the way of a test, in some looks or in each."""
    for look in looks or reversed(SIZES):  # the light one is the last, and stays
        await visit.look(look)
        await visit.shoot(f"{name}-{look}")
        assert await visit.too_wide() <= 0, f"{name} is too wide, {look}"
    assert await visit.serious_faults() == []


async def test_what_failed_is_tried_again_and_seen_to_complete(
    hands: Hands, url: str, browser: Browser, tmp_path: Path
):
    await videos(hands, tmp_path, "first", 1)  # all is at work then
    for video in ("late", "lost"):
        await hands.ending(await hands.ask(video, "grace", f"grace/{video}.wav"))
    async with visiting(browser, url) as visit:
        page = visit.page
        await page.goto("/failures?creator=grace")
        await expect(page.locator("#failures tbody").first).to_contain_text("ObjectMissing")
        await looked_at(visit, "failures")
        await page.get_by_role("checkbox", name="late").check()
        await page.get_by_role("button", name="Retry what is marked").click()
        await expect(page.locator("#operation")).to_contain_text("late")
        said = await page.locator("#operation").inner_text()
        assert "lost" not in said
        assert "not known" in said  # nobody has opened it yet: it must not say $0
        await looked_at(visit, "retry", "light")
        film(stored(hands, "grace/late.wav"), (0, noise(2)), codec="pcm_s16le")
        await page.get_by_label("Why").fill("it is there now")
        await page.get_by_role("button", name="Retry 1").click()
        await expect(page.locator("#states .state.completed")).to_be_visible(timeout=60_000)  # without a reload
        await looked_at(visit, "retried", "light")
        await page.goto("/failures?creator=grace")
        await expect(page.locator("#failures tbody tr td:first-child").first).to_have_text("1")
        await page.get_by_role("button", name="Retry what is marked").click()
        await expect(page.get_by_role("alert")).to_contain_text("nothing is marked")
        assert [one for one in visit.trouble if "422" not in one] == []


def stored(hands: Hands, path: str) -> Path:
    file = hands.settings.home / "store" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


@pytest.mark.long
async def test_a_dead_letter_is_read_sent_back_and_dropped(stack: Stack, hands: Hands, url: str, browser: Browser):
    await produce(stack, request(GARBAGE), request(b'{"videoId": "half", "creatorId": "bob"}'))
    letters = await backlog(stack, 2)
    garbage = next(one["letter"] for one in letters if one["videoId"] is None)
    async with visiting(browser, url) as visit:
        page = visit.page
        await page.goto("/failures/deadletters")
        await looked_at(visit, "deadletters")
        await page.get_by_role("link", name=garbage).click()
        await expect(page.get_by_role("region", name="Its bytes")).to_contain_text(
            "00 ff ff ff ff 67 61 72 62 61 67 65"
        )
        await looked_at(visit, "deadletter")
        await page.get_by_role("button", name="Redrive").click()
        await expect(page.locator("#operation")).to_contain_text("To transcribe.requested")
        await looked_at(visit, "redrive", "light")
        await page.get_by_role("button", name="Redrive 1").click()
        await expect(page.get_by_role("status")).to_contain_text("1 sent back")
        await backlog(stack, 2)  # it came back
        await page.goto("/failures/deadletters?where=topic%3Dtranscribe.requested")
        await page.get_by_role("button", name=re.compile("^Drop 1 of .*storagePath")).click()
        await page.get_by_role("button", name="Drop 1").click()
        await expect(page.get_by_role("status")).to_contain_text("1 dropped")
        [left] = await backlog(stack, 1)
        assert (left["videoId"], left["redrives"]) == (None, 1)
        assert not visit.trouble


async def test_a_rewind_is_planned_carried_out_and_watched(
    stack: Stack, hands: Hands, url: str, browser: Browser, tmp_path: Path
):
    await until("all is acked", lambda: caught_up(hands))
    paid = len(stack.provider.bill())
    async with visiting(browser, url) as visit:
        page = visit.page
        await page.goto("/rewind?group=generate-embeddings")
        await looked_at(visit, "rewind")
        await page.locator("select[name=way]").select_option("toEarliest")
        await page.get_by_role("button", name="Show the plan").click()
        await expect(page.locator("#operation")).to_contain_text("Events again")
        await looked_at(visit, "rewind-plan")
        await page.get_by_label("Why").fill("a test")
        await page.get_by_role("button", name="Rewind").click()
        await expect(page.get_by_role("status")).to_contain_text("its workers went there", timeout=60_000)
        left = page.locator("#operation tbody td:nth-child(5)")
        for n in range(await left.count()):
            await expect(left.nth(n)).to_have_text("0", timeout=60_000)
        await looked_at(visit, "rewound", "light")
        assert len(stack.provider.bill()) == paid
        await page.goto("/rewind?group=generate-embeddings")
        await expect(page.locator("#stands")).to_contain_text("a test")
        assert not visit.trouble


@pytest.mark.long
async def test_a_video_is_run_again_its_run_is_drawn_and_it_is_deleted(
    hands: Hands, url: str, browser: Browser, tmp_path: Path
):
    [sent] = await videos(hands, tmp_path, "gone", 1)
    async with visiting(browser, url) as visit:
        page = visit.page
        await page.goto(f"/runs/{sent.run_id}")
        await expect(page.locator(".timeline > li")).to_have_count(2)
        assert await page.locator(".timeline .bar.works").count() == 2
        assert await page.locator(".timeline .mark.paid").count() == 2
        waited = re.compile("^transcribe-video: waited .* took .* 1 paid")  # the log says that, a moment later
        await expect(page.locator(".timeline svg").first).to_have_attribute("aria-label", waited)
        await looked_at(visit, "run")
        await page.get_by_role("link", name="gone-0").click()
        await page.get_by_role("link", name="Events").click()
        await expect(page.locator("#events")).to_contain_text("embeddings.completed")
        await looked_at(visit, "events")
        await page.get_by_role("link", name="gone-0").click()
        await page.get_by_role("button", name="Run again").click()
        await looked_at(visit, "rerun", "light")
        await page.get_by_role("button", name="Run again").click()
        await page.get_by_role("status").get_by_role("link", name=re.compile("^…")).click()
        await expect(page.locator("#run dl .state.completed")).to_be_visible(timeout=60_000)
        await page.get_by_role("link", name="gone-0").click()
        await page.get_by_role("link", name="Delete").click()
        await looked_at(visit, "delete", "light")
        await page.get_by_role("button", name="Delete it").click()
        await expect(page.get_by_role("status")).to_contain_text("It is gone", timeout=60_000)
        await page.goto("/videos?creator=creator-0")
        assert "gone-0" not in await page.locator("#videos").inner_text()
        assert not visit.trouble


@pytest.mark.long
async def test_a_run_that_hangs_is_called_off(stack: Stack, hands: Hands, url: str, browser: Browser, tmp_path: Path):
    stack.provider.hang(kind="audio")
    sound = film(tmp_path / "hangs.wav", (0, noise(3)), codec="pcm_s16le")
    run = (await hands.ask("hangs", "ada", await hands.upload(sound, "ada"))).run_id
    async with visiting(browser, url) as visit, httpx.AsyncClient(base_url=url) as client:
        page = visit.page

        async def known() -> bool:
            return (await client.get(f"/v1/runs/{run}")).status_code == 200

        await until("the run is known", known)
        await page.goto(f"/runs/{run}")
        await page.get_by_role("link", name="Cancel").click()
        await looked_at(visit, "cancel", "light")
        await page.get_by_role("button", name="Call it off").click()
        await expect(page.locator("#run dl .state.cancelled")).to_be_visible(timeout=60_000)
        assert not visit.trouble


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_without_its_token_does_nothing(url: str, path: str):
    async with httpx.AsyncClient(base_url=url) as client:
        for sent, kept in (({}, {}), ({"csrf": "guess"}, {}), ({"csrf": "guess"}, {"chronos_csrf": "other"})):
            client.cookies.update(kept)
            answer = await client.post(path.format(**PLACES), data={"confirm": "0"} | sent)
            assert (answer.status_code, "reload the page" in answer.text) == (403, True)


@pytest.fixture(scope="module")
async def keyed(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has typed a reading key, and has a token."""
    keys = {f"{name}_key": (name,) for name in ("event", "reading", "operating")}
    async with served_here(stack.settings().model_copy(update=keys), "0.0.0.0") as client:
        await client.get("/login")
        token = client.cookies["chronos_csrf"]
        answer = await client.post("/login", data={"csrf": token, "key": "reading", "next": "/videos"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/videos")
        yield client


@pytest.mark.parametrize("path", sorted({*FORMS} - {"/login", "/logout"}))
async def test_a_reading_key_presses_no_button(keyed: httpx.AsyncClient, path: str):
    assert (await keyed.get("/failures")).status_code == 200
    data = {"csrf": keyed.cookies["chronos_csrf"]}
    answer = await keyed.post(path.format(**PLACES), params={"topic": "transcribe.requested"}, data=data)
    assert (answer.status_code, "this key may not" in answer.text) == (403, True)


@pytest.mark.long
async def test_a_reading_key_shows_and_an_operating_key_does(stack: Stack, hands: Hands, browser: Browser):
    await hands.ending(await hands.ask("kept", "keeper", "keeper/nothing.wav"))
    keys = {f"CHRONOS_{name}_KEY": json.dumps([name.lower()]) for name in ("EVENT", "READING", "OPERATING")}
    with serving(stack, **keys) as server:
        async with visiting(browser, server.url) as visit:
            page = visit.page
            await page.goto("/failures?creator=keeper")
            await enter(page, "reading")
            await page.goto("/failures?creator=keeper")
            await page.get_by_role("button", name="Retry all").click()
            await expect(page.locator("h1")).to_have_text("Forbidden")
            await expect(page.get_by_role("alert")).to_contain_text("may not operate")
            await visit.shoot("forbidden-light")
            await page.get_by_role("link", name="Enter another key").click()
            await enter(page, "operating")
            await page.goto("/failures?creator=keeper")
            await page.get_by_role("button", name="Retry all").click()
            await expect(page.locator("#operation")).to_contain_text("kept")
            assert [one for one in visit.trouble if "403" not in one] == []


async def enter(page: Page, key: str) -> None:
    await page.wait_for_url("**/login?**")
    await page.locator("input[name=key]").fill(key)
    await page.get_by_role("button", name="Enter").click()
    await page.wait_for_url(lambda url: "/login" not in url)
