"""What a web server's answer says of an object: statuses, tags and parts. Pure."""

from __future__ import annotations

import re
from http import HTTPStatus

import httpx

from agents.ports import StorageBusy
from chronos.adapters.retry_after import seconds_asked

GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}  # and all from 500 on
DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
ANOTHER = {HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
"""The answers to a wish for the rest of an object that is another one by now."""

HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "chronos"}

SOON = 5.0
"""Seconds until a store that asked for patience is asked again, where it did not say how many."""

_PART = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def strong(tag: str | None) -> str | None:
    """The tag, if it means the very same bytes (RFC 9110, 8.8.3)."""
    return tag if tag and not tag.startswith("W/") else None


def whole_of(response: httpx.Response, first: int) -> int | None:
    """Bytes of the object that this is a part of; None if it is another part than from `first` on."""
    found = _PART.fullmatch(response.headers.get("content-range", "").strip())
    return int(found[3]) if found and int(found[1]) == first else None


def busy(response: httpx.Response, who: str) -> StorageBusy:
    seconds = seconds_asked(response.headers.get("retry-after", "")) or SOON
    return StorageBusy(f"{who} asks for patience (429): for {seconds:.0f} s", seconds)
