"""The page of rewinds: where a group stands, what going back would come to, and going there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from chronos.api import rewinds, wishes
from chronos.api.desk import At
from chronos.api.resources import Has, Overseeing
from chronos.api.system_forms import Group
from chronos.choosing import FIELDS
from chronos.console import acting
from chronos.console.acting import Given, Words
from chronos.console.rendering import page, shell
from chronos.console.sessions import FORM, PageRoute
from chronos.pipeline import FUNCTIONS, PROJECTION_GROUP

router = APIRouter(route_class=PageRoute, include_in_schema=False)

GROUPS = [*(one.name for one in FUNCTIONS), PROJECTION_GROUP.removeprefix("chronos.")]

WAYS = {
    "toEarliest": ("to the beginning of the log", ""),
    "toDatetime": ("to a time", "2026-11-25T08:30:00.000, UTC"),
    "byDuration": ("back by a duration", "PT2H30M or P7D"),
    "shiftBy": ("by so many events in each partition", "-100"),
    "toOffset": ("to an offset of each partition", "0"),
    "offsets": ("to offsets of my own", "lines of topic,partition,offset"),
    "toCurrent": ("to where it is", ""),
    "toLatest": ("to the end: skips what waits", ""),
    "question": ("no offsets: only what is asked for below", ""),
}
"""Where a group can go: in words, and what the value is like, where one is wanted."""

FLAGS = {
    "toDatetime": "--to-datetime", "byDuration": "--by-duration", "shiftBy": "--shift-by", "toOffset": "--to-offset",
    "where": "--where", "video": "--video", "since": "--since", "before": "--before", "topics": "--topic",
}  # fmt: skip
BARE = {
    "toEarliest": "--to-earliest", "toLatest": "--to-latest", "toCurrent": "--to-current", "reemit": "--reemit",
}  # fmt: skip


@dataclass
class Stands:
    """Where a group stands in all partitions of a topic."""

    partitions: int = 0
    events: int = 0
    done: int = 0
    left: int = 0
    moving: int = 0  # partitions that a rewind wants elsewhere, and whose worker has not gone there yet


@router.get("/rewind")
async def rewind(
    request: Request, has: Has, key: Overseeing, group: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """Where a group stands, and the form that asks what going elsewhere would come to."""
    found = await rewinds.standing(has, key, group) if group else None
    return page(
        request, "rewind.html", groups=GROUPS, group=group, found=found, topics=by_topic(found) if found else {},
        ways=WAYS, fields=FIELDS, command=shell("rewind", group or GROUPS[0], "--to-earliest"),
    )  # fmt: skip


def by_topic(group: Group) -> dict[str, Stands]:
    """A group's places, summed."""
    found: dict[str, Stands] = defaultdict(Stands)
    for place in group.places:
        one, at = found[place.topic], max(place.first, place.first if place.committed is None else place.committed)
        one.partitions += 1
        one.events += place.next - place.first
        one.done += at - place.first
        one.left += max(0, place.next - at)
        one.moving += place.wanted is not None
    return dict(found)


@router.post("/rewind/plan", dependencies=[FORM])
async def ask(request: Request, at: At) -> Response:
    """Shows the plan; with its name, carries it out."""
    form = await request.form()
    if form.get("confirm"):
        now = acting.read(wishes.RewindNow, form)
        return await acting.begin(request, now, lambda one: _do(one, at))
    wish = acting.read(wishes.Rewind, form, translated)
    return await acting.begin(request, wish, lambda one: rewinds.plan(one, at))


async def _do(wish: wishes.RewindNow, at: At) -> wishes.Operation:
    """Without a plan's name, since that held no more, the plan as it is now."""
    if wish.confirm:
        return await rewinds.rewind(wish, at)
    return await rewinds.plan(wishes.Rewind.model_validate(wish.model_dump(exclude={"confirm", "skip"})), at)


def translated(given: Given) -> Given:
    """The form's one way and its value, as the field that they are."""
    way, value = given.pop("way", None), given.pop("value", None)
    if way and way != "question":
        given[way] = (value or "") if WAYS.get(way, ("", ""))[1] else True
    return given


@router.get("/rewind/plan")
async def planned(request: Request, has: Has, key: Overseeing, operation: UUID | None = None) -> Response:
    """The plan of a rewind, or what became of it and where the group stands since."""
    if operation is None:
        return RedirectResponse("/rewind")
    known = has.operations.known.get(str(operation))
    over = known is not None and "outcome" in (known.result or {})
    words = acting.words_in(request)
    group = await rewinds.standing(has, key, dict(words).get("group", "")) if over else None
    return await acting.show(
        request, has, operation, "rewind_plan.html", topics=by_topic(group) if group else {},
        command=command(words, (known.result or {}).get("plan") if known else None),
    )  # fmt: skip


def command(words: Words, plan: str | None) -> str:
    """The same in a terminal."""
    flags = [f"{FLAGS[name]}={word}" for name, word in words if name in FLAGS]
    flags += [BARE[name] for name, _ in words if name in BARE]
    flags += ["--from-file=offsets.csv" for name, _ in words if name == "offsets"]
    return shell("rewind", dict(words).get("group"), *flags, "--execute", *(["--plan", plan] if plan else []))
