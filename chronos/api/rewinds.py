"""Rewinds over HTTP: where a group stands, what going back would come to, and going there."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from chronos import operations, planning, plans, rewinding
from chronos.api import system_forms as forms
from chronos.api import wishes
from chronos.api.background import Progress
from chronos.api.desk import GOES_ON, At
from chronos.api.operating import act
from chronos.api.problems import RESPONSES
from chronos.api.resources import Has, Overseeing
from chronos.config import Settings

router = APIRouter(prefix="/v1", tags=["operating"], responses=RESPONSES)


@router.get("/rewinds/{group}")
async def standing(has: Has, _: Overseeing, group: Annotated[wishes.Group, Path()]) -> forms.Group:
    """Where a group stands in each partition, where a rewind wants it to be, and the rewinds that there were."""
    name, here, wanted = await planning.standing(has.settings, group)
    places = [
        forms.Standing(
            topic=place[0],
            partition=place[1],
            first=first,
            next=next,
            committed=here.committed.get(place),
            wanted=wanted.get(place),
        )
        for place, (first, next) in sorted(here.ends.items())
    ]
    told = [one for one in await operations.told(has.settings) if (one.act, one.target) == ("rewind", name)]
    return forms.Group(group=name, places=places, rewinds=[act(one) for one in told])


@router.post("/rewinds/plan", responses=GOES_ON)
async def plan(wish: wishes.Rewind, at: At) -> wishes.Operation:
    """What a rewind would come to: events, videos, calls, dollars, time. The log is read for it: that may take long."""
    group = planning.full_name(wish.group)
    wish.check(group)

    async def work(progress: Progress) -> dict[str, Any]:
        return (await _plan(at.has.settings, wish, progress)).to_json()

    return await at.hand_in("rewind plan", group, work, changing=False)


@router.post("/rewinds", responses=GOES_ON)
async def rewind(wish: wishes.RewindNow, at: At) -> wishes.Operation:
    """Brings a group to where its plan says: by its running workers, or from outside, where it has none."""
    group = planning.full_name(wish.group)
    wish.check(group)

    async def work(progress: Progress) -> dict[str, Any]:
        plan = await _plan(at.has.settings, wish, progress)
        plans.check(plan, wish.confirm)
        plan.allow(skip=wish.skip)
        progress("move", 0.0)
        done = await rewinding.execute(at.has.settings, plan, reason=wish.reason)
        return plan.to_json() | {"outcome": done.to_json()}

    return await at.hand_in("rewind", group, work)


async def _plan(settings: Settings, wish: wishes.Rewind, progress: Progress) -> planning.Plan:
    group, question = planning.full_name(wish.group), wish.question()
    if question is not None:
        return await planning.plan_chosen(settings, group, question, reemit=wish.reemit, progress=progress)
    way = wish.way(group)
    assert way is not None  # it was checked
    return await planning.plan(settings, group, way, wish.topics, reemit=wish.reemit, progress=progress)
