"""Webhooks against real servers on loopback: what each answer means, and where no message goes."""

from __future__ import annotations

from typing import Any

import pytest

from agents.ports import WebhookBusy, WebhookRefused, WebhookUnavailable
from chronos.adapters.reaching import Reach
from chronos.adapters.webhooks import LATEST, SOONEST, HttpWebhooks
from tests.unit.test_webhooks import SAID, endpoint
from tests.web import Site, says


@pytest.mark.parametrize(
    ("status", "more", "wanted"),
    [
        ("200 OK", {}, "sent"),
        ("202 Accepted", {}, "sent"),
        ("204 No Content", {"content_length": ""}, "sent"),
        ("410 Gone", {}, "gone"),
        ("307 Temporary Redirect", {"location": "https://elsewhere.test/"}, WebhookRefused),
        ("401 Unauthorized", {}, WebhookRefused),
        ("404 Not Found", {}, WebhookRefused),
        ("408 Request Timeout", {}, WebhookUnavailable),
        ("429 Too Many Requests", {}, WebhookUnavailable),
        ("429 Too Many Requests", {"retry_after": "30"}, 30.0),
        ("429 Too Many Requests", {"retry_after": "0.001"}, SOONEST),
        ("503 Service Unavailable", {"retry_after": "99999999"}, LATEST),
        ("503 Service Unavailable", {"retry_after": "soon"}, WebhookUnavailable),
        ("500 Internal Server Error", {}, WebhookUnavailable),
    ],
)
async def test_every_answer_has_its_ending(status: str, more: dict[str, str], wanted: object) -> None:
    async with Site(answers={"/hook": says(status, b"the <why>" if "204" not in status else b"", **more)}) as site:
        receiver = HttpWebhooks([endpoint(site.url("/hook?t=secret"))], Reach(allow_own=True))
        if isinstance(wanted, str):
            assert await receiver.deliver(site.url("/hook"), "e", SAID) == wanted
            return
        kind = WebhookBusy if isinstance(wanted, float) else wanted
        with pytest.raises(kind) as error:  # type: ignore[call-overload]
            await receiver.deliver(site.url("/hook"), "e", SAID)
    assert site.url("/hook") in str(error.value)
    assert "secret" not in str(error.value)
    if isinstance(error.value, WebhookBusy):
        assert error.value.retry_after == wanted
    elif "redirects" not in str(error.value):
        assert "the <why>" in str(error.value)
    assert len(site.requests) == 1


async def test_a_receiver_that_is_silent_or_away_may_come_back() -> None:
    async def silent(_request: object, writer: Any) -> None:
        await writer.wait_closed()

    async with Site(answers={"/hook": silent}) as site:
        receiver = HttpWebhooks([endpoint(site.url("/hook"))], Reach(allow_own=True), longest=0.2)
        with pytest.raises(WebhookUnavailable, match="no answer"):
            await receiver.deliver(site.url("/hook"), "e", SAID)
    with pytest.raises(WebhookUnavailable, match="out of reach"):
        await receiver.deliver(site.url("/hook"), "e", SAID)


async def test_no_webhook_leads_into_our_own_network_unless_the_settings_allow_it() -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async with Site(answers={"/": says("200 OK")}) as site:
        target = f"https://inside.test:{site.port}/"
        with pytest.raises(WebhookRefused, match="loopback"):
            await HttpWebhooks([endpoint(target)], Reach(resolver=inside)).deliver(target, "e", SAID)
    assert site.connections == 0
