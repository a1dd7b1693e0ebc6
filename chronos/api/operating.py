"""What operators do to videos and runs, and to the space that search uses: the plan comes first; who did it and why is
told on the log."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from chronos import cancelling, comparing, deleting, operations, plans, reprocessing, rerunning, retrying
from chronos.api import system_forms as forms
from chronos.api import wishes
from chronos.api.background import Progress
from chronos.api.desk import GOES_ON, At, form
from chronos.api.problems import RESPONSES, Refused
from chronos.api.reading import Name
from chronos.api.resources import Has, Overseeing
from schemas.operating import OperatorActed

router = APIRouter(prefix="/v1", tags=["operating"], responses=RESPONSES)


@router.get("/operations")
async def begun(has: Has, _: Overseeing) -> wishes.Operations:
    """What was begun at this server, the newest first."""
    return wishes.Operations(operations=[form(one) for one in reversed(has.operations.known.values())])


@router.get("/operations/{operation}")
async def progress_of(has: Has, _: Overseeing, operation: UUID) -> wishes.Operation:
    """How far an operation is, and what came of it."""
    known = has.operations.known.get(str(operation))
    if known is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"no operation {operation} is known at this server: see GET /v1/acts")
    return form(known)


@router.get("/acts")
async def acts(has: Has, _: Overseeing, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> forms.Acts:
    """What operators did: who, why, plan and outcome; the newest first. As `chronos history`."""
    return forms.Acts(acts=[act(one) for one in (await operations.told(has.settings))[:limit]])


def act(said: OperatorActed) -> forms.Act:
    plan, outcome = json.loads(said.plan), json.loads(said.outcome)
    return forms.Act.model_validate({**said.model_dump(), "plan": plan, "outcome": outcome})


@router.post("/retries", responses=GOES_ON)
async def retry(wish: wishes.Retries, at: At) -> wishes.Operation:
    """Asks again for what failed, by new commands; what that would cost comes first."""
    settings, pool, wanted = at.has.settings, at.has.pool, wish.wish()

    async def work(progress: Progress) -> dict[str, Any]:
        plan = await retrying.plan(settings, pool, wanted)
        if wish.confirm is None:
            return retrying.to_json(plan, None)
        plans.check(plan, wish.confirm)
        return retrying.to_json(plan, await retrying.execute(settings, pool, plan, wish.reason, progress))

    return await at.hand_in("retry", wish.video or "videos", work, changing=wish.confirm is not None)


@router.post("/runs/{run_id}/cancel", responses=GOES_ON)
async def cancel(run_id: UUID, wish: wishes.Cancel, at: At) -> wishes.Operation:
    """Calls a run off: it stops at its next step, and pays for nothing more. What was bought stays."""

    async def work(progress: Progress) -> dict[str, Any]:
        return await cancelling.cancel_run(at.has.settings, str(run_id), wish.reason or "")

    return await at.hand_in("cancel", str(run_id), work)


@router.post("/reprocess", responses=GOES_ON)
async def reprocess(wish: wishes.Reprocess, at: At) -> wishes.Operation:
    """Cuts and embeds many videos anew from their transcripts, behind live work; what that would cost comes first."""
    settings, command = at.has.settings, wish.command()

    async def work(progress: Progress) -> dict[str, Any]:
        plan = await reprocessing.plan(settings, at.has.pool, command, progress)
        if wish.confirm is None:
            return {"executed": False, **plan.to_json()}
        plans.check(plan, wish.confirm)
        return {"executed": True, **plan.to_json(), "sent": await reprocessing.execute(settings, plan)}

    return await at.hand_in("reprocess", wish.creator or "videos", work, changing=wish.confirm is not None)


@router.post("/videos/{creator}/{video}/rerun", responses=GOES_ON)
async def rerun(creator: Name, video: Name, wish: wishes.Rerun, at: At) -> wishes.Operation:
    """Processes a video anew, whatever became of it before; what is bought already is not bought again."""
    settings = at.has.settings

    async def work(progress: Progress) -> dict[str, Any]:
        plan = await rerunning.plan(settings, at.has.pool, (creator, video), wish.stage)
        if wish.confirm is None:
            return {"executed": False, **plan.to_json()}
        plans.check(plan, wish.confirm)
        return {"executed": True, **plan.to_json(), "sent": await rerunning.execute(settings, plan, wish.reason)}

    return await at.hand_in("rerun", f"{video} of {creator}", work, changing=wish.confirm is not None)


@router.get("/videos/{creator}/{video}/deletion")
async def plan_deletion(creator: Name, video: Name, at: At) -> wishes.Deletion:
    """What would go with a video, and the plan's name."""
    return wishes.Deletion.model_validate((await deleting.plan(at.has.settings, video, creator)).to_json())


@router.delete("/videos/{creator}/{video}", responses=GOES_ON)
async def delete(
    creator: Name,
    video: Name,
    at: At,
    confirm: Annotated[str, Query(max_length=64, description="The plan's name, of GET …/deletion.")],
    reason: Annotated[str | None, Query(max_length=1000, pattern=wishes.SEEN)] = None,
) -> wishes.Operation:
    """Deletes a video: it goes from tables and search, and no rewind or rebuild brings it back."""
    settings = at.has.settings

    async def work(progress: Progress) -> dict[str, Any]:
        plan = await deleting.plan(settings, video, creator)
        plans.check(plan, confirm)
        return {**plan.to_json(), "executed": True, "runId": await deleting.execute(settings, plan, reason)}

    return await at.hand_in("delete", f"{video} of {creator}", work)


@router.post("/embeddings/switch", responses=GOES_ON)
async def switch(wish: wishes.Switch, at: At) -> wishes.Operation:
    """Search uses a space from its next question on, if its answers are as wished."""
    settings, wanted = at.has.settings, comparing.Wish(wish.space, wish.min_overlap, wish.questions, wish.partial)

    async def work(progress: Progress) -> dict[str, Any]:
        found = await comparing.compare_for(settings, wanted)
        if wish.confirm is None:
            return {"executed": False, **found.to_json()}
        plans.check(found, wish.confirm)
        before = await comparing.switch(settings, wanted, found, wish.reason)
        return {"executed": True, **found.to_json(), "space": wish.space, "before": before}

    return await at.hand_in("embeddings switch", wish.space, work, changing=wish.confirm is not None)
