"""Pages of what failed: by its errors, what trying again would cost, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from chronos.api import operating, reading, wishes
from chronos.api.desk import At
from chronos.api.reading import Creator
from chronos.api.resources import Has, Overseeing, Reading
from chronos.console import acting
from chronos.console.acting import Words
from chronos.console.rendering import page, segment, shell
from chronos.console.sessions import FORM, PageRoute
from chronos.console.waiting import CaughtUp
from chronos.failures import RETRIED
from streams.postgres import load_queries

SQL = load_queries("projections.sql", "pages.sql")

ROWS = 100  # failures on a page: more are found by their group

FLAGS = {"creator": "--creator", "function": "--function", "errorType": "--error-type", "since": "--since",
         "before": "--before", "failures": "--failure"}  # fmt: skip

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Word = Annotated[str | None, Query(max_length=200)]
Kind = Annotated[str | None, Query(max_length=200, alias="errorType")]


@router.get("/failures")
async def failures(
    request: Request, has: Has, key: Reading, _: CaughtUp, creator: Creator = None, function: Word = None,
    kind: Kind = None,
) -> Response:  # fmt: skip
    """What failed and still stands: by error, and one by one."""
    groups, found = await asyncio.gather(
        reading.failure_groups(has, key, creator or None),
        reading.failures(has, key, creator or None, function or None, kind or None, ROWS),
    )
    shown = [one for one in groups.groups if one.function == (function or one.function)]
    shown = [one for one in shown if one.error_type == (kind or one.error_type)]
    stream = f"/v1/changes?creator={segment(key.creator or creator)}" if key.creator or creator else "/v1/changes"
    given = {"creator": creator, "function": function, "errorType": kind}
    return page(
        request, "failures.html", groups=shown, failures=found.failures, given=given, functions=RETRIED,
        stream=stream, total=sum(one.failures for one in shown), command=command(list(_given(given).items())),
    )  # fmt: skip


def _given(words: Mapping[str, str | None]) -> dict[str, str]:
    return {name: word for name, word in words.items() if word}


@router.post("/failures/retry", dependencies=[FORM])
async def retry(request: Request, at: At) -> Response:
    """Shows the plan; with its name, carries it out."""
    wish = acting.read(wishes.Retries, await acting.chosen(request, "failures"))
    return await acting.begin(request, wish, lambda one: operating.retry(one, at))


@router.get("/failures/retry")
async def retried(request: Request, has: Has, _: Overseeing, operation: UUID | None = None) -> Response:
    """The plan of a retry, or what became of it."""
    if operation is None:
        return RedirectResponse("/failures")
    known = has.operations.known.get(str(operation))
    sent = [one["runId"] for one in (known.result or {}).get("sent", [])] if known else []
    states = await has.pool.fetch(SQL["run_states"], sent)
    words = acting.words_in(request)
    return await acting.show(
        request, has, operation, "retry.html", states={row["status"]: row["runs"] for row in states},
        command=command(words, "--execute"), rows=ROWS,
    )  # fmt: skip


def command(words: Words, *more: str) -> str:
    """The same in a terminal."""
    said = dict(words)
    flags = [part for name, word in words if name in FLAGS for part in (FLAGS[name], word)]
    return shell("retry", said.get("video"), *flags, "--all" if said.get("evenOver") else None, *more)
