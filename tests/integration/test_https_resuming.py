"""A link's download that breaks in the middle: gone on with where the server allows it, and it is the same file."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from agents.ports import StorageBusy, StorageRefused, StorageUnavailable
from tests.integration.test_https_storage import QUICK, TOKEN, VIDEO, refused, room, site, store
from tests.web import Answer, Request, Site, says

__all__ = ["room", "site"]  # fixtures


def in_parts(*ends: int, tags: tuple[str, ...] = ('"a"',), then: Answer | None = None) -> Answer:
    """A server that cuts its answers at these bytes of the video, with these tags; then it answers with `then`."""
    waiting, given = [*ends], [*tags]

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if waiting or then is None:
            tag = given.pop(0) if len(given) > 1 else given[0]
            await _from(request, tag, waiting.pop(0) if waiting else len(VIDEO))(request, writer)
        else:
            await then(request, writer)

    return answer


def _from(request: Request, tag: str, end: int) -> Answer:
    same = request.headers.get("if-range", tag) == tag
    first = int(request.headers.get("range", "bytes=0-")[6:-1]) if same else 0
    about = {"etag": tag, "content_length": str(len(VIDEO) - first)}
    if first:
        about["content_range"] = f"bytes {first}-{len(VIDEO) - 1}/{len(VIDEO)}"
    return says("206 Partial Content" if first else "200 OK", VIDEO[first:end], **about)


async def test_a_download_goes_on_where_it_broke_through_its_redirects(site: Site, room: Path) -> None:
    """What a redirect leads to may be signed for some minutes: each time it is a fresh one."""
    site.answers["/cut"] = in_parts(1_000_000, 2_000_000)
    site.answers["/r"] = says("302 Found", location="/cut")
    fetched = await store(site).fetch(site.url("/r"), room)
    assert fetched.sha256 == hashlib.sha256(VIDEO).hexdigest()
    asked = [(one.headers.get("range"), one.headers.get("if-range")) for one in site.requests if one.target == "/cut"]
    assert asked == [(None, None), ("bytes=1000000-", '"a"'), ("bytes=2000000-", '"a"')]


async def test_a_link_that_expires_in_the_middle_is_told(site: Site, room: Path) -> None:
    site.answers["/cut"] = in_parts(1_000_000, then=says("403 Forbidden"))
    await refused(store(site), site.url(f"/cut?sig={TOKEN}"), room, StorageRefused, "has the link expired")


@pytest.mark.parametrize("then", ["412 Precondition Failed", "416 Range Not Satisfiable"])
async def test_a_file_that_changes_while_it_is_read_is_tried_again(site: Site, room: Path, then: str) -> None:
    site.answers["/cut"] = in_parts(1_000_000, tags=('"a"', '"b"'))
    await refused(store(site), site.url("/cut"), room, StorageUnavailable, "changed while it was read")
    site.answers["/cut"] = in_parts(1_000_000, then=says(then))
    await refused(store(site), site.url("/cut"), room, StorageUnavailable, "changed while it was read")


async def test_a_server_that_cannot_go_on_is_told_from_a_file_that_changed(site: Site, room: Path) -> None:
    site.answers["/cut"] = in_parts(1_000_000, then=says("200 OK", VIDEO, etag='"a"'))
    await refused(store(site), site.url("/cut"), room, StorageUnavailable, "gives no parts")
    wrong = says("206 Partial Content", VIDEO[:9], etag='"a"', content_range=f"bytes 0-8/{len(VIDEO)}")
    site.answers["/cut"] = in_parts(1_000_000, then=wrong)
    await refused(store(site), site.url("/cut"), room, StorageRefused, "another part")


async def test_a_weak_tag_says_too_little_to_go_on(site: Site, room: Path) -> None:
    site.answers["/cut"] = in_parts(1_000_000, tags=('W/"a"',))
    await refused(store(site), site.url("/cut"), room, StorageUnavailable, "broke off|cut off")
    assert len(site.requests) == 1


async def test_a_server_that_brings_nothing_any_more_is_given_up(site: Site, room: Path) -> None:
    site.answers["/cut"] = in_parts(1_000_000, then=says("503 Service Unavailable"))
    await refused(store(site), site.url("/cut"), room, StorageUnavailable, "503")
    assert len(site.requests) == 1 + QUICK.vain


async def test_patience_that_is_asked_for_in_the_middle_is_given_if_it_is_short(site: Site, room: Path) -> None:
    busy = [says("429 Too Many Requests", retry_after="0.05"), says("429 Too Many Requests", retry_after="3600")]

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await busy.pop(0)(request, writer)

    site.answers["/cut"] = in_parts(1_000_000, then=answer)
    with pytest.raises(StorageBusy) as error:
        await store(site).fetch(site.url("/cut"), room)
    assert error.value.retry_after == 3600
    assert not busy
    assert os.listdir(room) == []
