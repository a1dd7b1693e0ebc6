"""Pages of dead letters: the backlog by cause, one letter with its bytes, and what is done with them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from chronos.api import letters, wishes
from chronos.api.desk import At
from chronos.api.resources import Has, Overseeing
from chronos.api.system_forms import Bytes, LetterGroup
from chronos.cli.words import hex_lines
from chronos.console import acting, log
from chronos.console.acting import Words
from chronos.console.rendering import page, shell
from chronos.console.sessions import FORM, PageRoute

ROWS = 100  # letters on a page
LONG = 400  # characters of a reason

router = APIRouter(prefix="/failures/deadletters", route_class=PageRoute, include_in_schema=False)

Conditions = Annotated[list[str] | None, Query(max_length=20)]
When = Annotated[str | None, Query(max_length=40)]


@router.get("")
async def backlog(
    request: Request, has: Has, key: Overseeing, where: Conditions = None, since: When = None, before: When = None
) -> Response:
    """The letters that are not done with, by what they died of."""
    wanted = [one for one in where or () if one.strip()]
    found = await letters.backlog(has, key, wanted, since, before, ROWS)
    words = [("where", one) for one in wanted]
    words += [(name, word) for name, word in (("since", since), ("before", before)) if word]
    return page(
        request, "deadletters.html", found=found, where=wanted, since=since, before=before, words=words,
        conditions=conditions, command=_command("list", words),
    )  # fmt: skip


def conditions(group: LetterGroup) -> list[str]:
    """What takes the letters of a group. A long reason by its beginning: a condition has its limits."""
    reason = group.reason.strip()
    said = f"reason={reason}" if len(reason) <= LONG and reason == group.reason else f"reason~={reason[:LONG].strip()}"
    return [f"type={group.type}", said, *([f"topic={group.topic}"] if group.topic else [])]


@router.post("/redrive", dependencies=[FORM])
async def redrive(request: Request, at: At) -> Response:
    """Shows what would go back to its topics; with the plan's name, sends it."""
    wish = acting.read(wishes.Redrive, await acting.chosen(request, "letters"))
    return await acting.begin(request, wish, lambda one: letters.redrive(one, at))


@router.post("/drop", dependencies=[FORM])
async def drop(request: Request, at: At) -> Response:
    """Shows what would leave the backlog; with the plan's name, drops it."""
    wish = acting.read(wishes.Letters, await acting.chosen(request, "letters"))
    return await acting.begin(request, wish, lambda one: letters.drop(one, at))


@router.get("/letters/{letter}")
async def letter(request: Request, has: Has, key: Overseeing, letter: Annotated[str, Path(max_length=40)]) -> Response:
    """One letter, as far as it can be read."""
    found = await letters.letter(has, key, letter)
    command = _command("show", [("letters", found.letter)])
    return page(request, "deadletter.html", letter=found, command=command, written=log.written, shown=shown)


def shown(value: Bytes) -> str:
    """Bytes as text, or as a program shows them; as much of them as there is."""
    if value.hex is None:
        return value.text if value.text is not None else "–"
    digits, _, more = value.hex.partition(" ")
    try:
        return "\n".join([*hex_lines(bytes.fromhex(digits)), *([more] if more else [])])
    except ValueError:  # a part of it looked like a secret, and is hidden
        return value.hex


@router.get("/{act}")
async def done(
    request: Request, has: Has, _: Overseeing, act: Literal["redrive", "drop"], operation: UUID | None = None
) -> Response:
    """The plan of a redrive or a drop, or what became of it."""
    if operation is None:
        return RedirectResponse("/failures/deadletters")
    command = _command(act, acting.words_in(request), "--execute")
    return await acting.show(request, has, operation, "letters_plan.html", act=act, command=command, rows=ROWS)


def _command(act: str, words: Words, *more: str) -> str:
    flags = [part for name, word in words if name in ("where", "since", "before") for part in (f"--{name}", word)]
    named = [word for name, word in words if name == "letters"]
    return shell("deadletters", act, *named, *flags, *(["--force"] if ("force", "true") in words else []), *more)
