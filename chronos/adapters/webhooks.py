"""Webhooks over HTTP: one signed POST to an address that may be reached, and what its answer means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal

import httpx
import structlog

from agents.ports import WebhookBusy, WebhookRefused, WebhookUnavailable
from chronos.adapters.links import Link
from chronos.adapters.reaching import Forbidden, OutOfReach, Reach, reason
from chronos.adapters.retry_after import seconds_asked
from chronos.webhooks import Endpoint, headers, message_id
from schemas.webhook import Kind, Message
from streams.retry import Fault

log = structlog.get_logger()

CONNECT, LONGEST = 10.0, 20.0
"""Seconds for the connection, and for the whole. A receiver keeps the message and answers; below 10 s slow ones that do
their work first would get it again and again."""

SOONEST, LATEST = 10.0, 3600.0
"""Seconds. No attempt is charged where the receiver says when to come again: sooner would be a loop without an end."""

MOST_SAID = 300  # bytes of a refusal that are told

_GONE = 410
_LATER = {408, 425, 429}


class HttpWebhooks:
    """See agents.ports.Webhooks."""

    def __init__(self, endpoints: Iterable[Endpoint], reach: Reach, *, longest: float = LONGEST) -> None:
        self._endpoints = {endpoint.target: endpoint for endpoint in endpoints}
        self._reach, self._longest = reach, longest

    def wanting(self, kind: Kind, creator_id: str) -> list[str]:
        return [target for target, one in self._endpoints.items() if one.wants(kind, creator_id)]

    async def deliver(self, target: str, id: str, message: Message) -> Literal["sent", "gone"]:
        link, body = Link(httpx.URL(self._endpoints[target].url)), message.body()
        proof = headers(self._endpoints[target].keys(), message_id(id, target), int(time.time()), body)
        try:
            async with asyncio.timeout(self._longest), self._reach.wire() as wire:
                response = await self._reach.ask(wire, link, partial(_request, link, proof, body), self._longest)
                try:
                    return await _understood(response, link)
                finally:
                    await response.aclose()
        except Forbidden as error:
            raise WebhookRefused(f"no webhook is sent to {link}: {error}") from error
        except OutOfReach as error:
            raise WebhookUnavailable(f"webhook: {error}") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise WebhookUnavailable(f"webhook {link} gave no answer within {self._longest:.0f} s") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise WebhookUnavailable(f"webhook {link} broke off: {reason(error)}") from error


def _request(link: Link, proof: Mapping[str, str], body: bytes, address: str) -> httpx.Request:
    about = {"Host": link.authority, "Content-Type": "application/json", "Accept-Encoding": "identity"}
    return httpx.Request(
        "POST",
        link.pinned(address),
        headers={**about, "User-Agent": "chronos", **proof},
        content=body,
        extensions={"sni_hostname": link.host, "timeout": httpx.Timeout(LONGEST, connect=CONNECT).as_dict()},
    )


async def _understood(response: httpx.Response, link: Link) -> Literal["sent", "gone"]:
    """
    Raises:
        Fault: it has not been taken.
    """
    if response.is_success:
        return "sent"
    if response.status_code == _GONE:
        log.warning("a webhook's receiver says that it is gone: take it out of CHRONOS_WEBHOOKS", receiver=str(link))
        return "gone"
    raise _fault(response, link, await _said(response))


def _fault(response: httpx.Response, link: Link, said: str) -> Fault:
    status, wait = response.status_code, seconds_asked(response.headers.get("retry-after", ""))
    if wait and status in (429, 503):
        why = f"webhook {link} asks for patience ({status})"
        return WebhookBusy(why, min(max(wait, SOONEST), LATEST))
    if status >= 500 or status in _LATER:
        return WebhookUnavailable(f"webhook {link} failed ({status}){said}")
    if response.is_redirect:
        return WebhookRefused(f"webhook {link} redirects ({status}), which is not followed: set its last address")
    return WebhookRefused(f"webhook {link} does not take this ({status}){said}")


async def _said(response: httpx.Response) -> str:
    """The beginning of what the receiver says to it."""
    said = b""
    async for some in response.aiter_raw():
        said += some
        if len(said) >= MOST_SAID:
            break
    words = " ".join(said[:MOST_SAID].decode(errors="replace").split())
    return f": {words}" if words else ""
