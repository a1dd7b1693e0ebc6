"""What is done to one video or run from its page, each with a page between that says what it comes to."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from chronos.api import operating, reading, wishes
from chronos.api.desk import At
from chronos.api.reading import Name
from chronos.api.resources import Has, Overseeing
from chronos.console import acting
from chronos.console.rendering import page, segment, shell
from chronos.console.sessions import FORM, PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)


def _path(creator: str, video: str) -> str:
    return f"/videos/{segment(creator)}/{segment(video)}"


@router.post("/videos/{creator}/{video}/rerun", dependencies=[FORM])
async def rerun(request: Request, creator: Name, video: Name, at: At) -> Response:
    """Shows what processing it anew would need; with the plan's name, asks for it."""
    wish = acting.read(wishes.Rerun, await request.form())
    return await acting.begin(request, wish, lambda one: operating.rerun(creator, video, one, at))


@router.get("/videos/{creator}/{video}/rerun")
async def rerun_asked(
    request: Request, has: Has, _: Overseeing, creator: Name, video: Name, operation: UUID | None = None
) -> Response:
    """The plan, or the new run."""
    if operation is None:
        return RedirectResponse(_path(creator, video))
    stage = dict(acting.words_in(request)).get("stage", "transcribe")
    command = shell("rerun", video, "--creator", creator, "--stage", stage, "--execute")
    return await acting.show(request, has, operation, "rerun.html", creator=creator, video=video, command=command)


@router.get("/videos/{creator}/{video}/delete")
async def deletion(
    request: Request, has: Has, at: At, creator: Name, video: Name, operation: UUID | None = None
) -> Response:
    """What would go with a video; or that it is gone."""
    command = shell("delete", video, "--creator", creator, "--execute")
    if operation is not None:
        return await acting.show(request, has, operation, "deleted.html", creator=creator, video=video, command=command)
    plan = await operating.plan_deletion(creator, video, at)
    return page(request, "delete.html", plan=plan, creator=creator, video=video, command=command)


class Deletion(wishes.Wish):
    """What the page of a deletion sends."""

    confirm: str


@router.post("/videos/{creator}/{video}/delete", dependencies=[FORM])
async def delete(request: Request, creator: Name, video: Name, at: At) -> Response:
    """Deletes it, if the plan is still the one that was shown."""
    wish = acting.read(Deletion, await request.form())
    done = await operating.delete(creator, video, at, wish.confirm, wish.reason)
    return RedirectResponse(f"{_path(creator, video)}/delete?operation={done.id}", HTTPStatus.SEE_OTHER)


@router.get("/runs/{run_id}/cancel")
async def cancellation(request: Request, has: Has, key: Overseeing, run_id: UUID) -> Response:
    """What calling a run off means, before it is done."""
    return page(request, "cancel.html", run=(await reading.run(has, key, run_id)).run)


@router.post("/runs/{run_id}/cancel", dependencies=[FORM])
async def cancel(request: Request, run_id: UUID, at: At) -> Response:
    """Calls it off, and goes where that can be seen."""
    await operating.cancel(run_id, acting.read(wishes.Cancel, await request.form()), at)
    return RedirectResponse(f"/runs/{run_id}", HTTPStatus.SEE_OTHER)
