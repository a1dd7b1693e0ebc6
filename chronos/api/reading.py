"""What the tables say: videos, runs with their traces, search, failures."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from chronos import queries, searching, spaces
from chronos.api import forms
from chronos.api.problems import RESPONSES, Refused
from chronos.api.resources import Has, Overseeing, Reading, whose
from streams.postgres import load_queries

SQL = load_queries("projections.sql", "pages.sql")

router = APIRouter(prefix="/v1", responses=RESPONSES)

Creator = Annotated[str | None, Query(max_length=200, description="Only this creator's.")]
Limit = Annotated[int, Query(ge=1, le=200)]
Name = Annotated[
    str, Path(min_length=1, max_length=200), AfterValidator(lambda name: name.replace("\0", "/"))
]  # a slash in an id is written %2F; the server keeps it apart from those between ids
Status = Literal["pending", "transcribing", "processing", "embedding", "completed", "failed", "cancelled"]


@router.get("/videos", tags=["videos"])
async def videos(
    has: Has,
    key: Reading,
    creator: Creator = None,
    status: Status | None = None,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
    limit: Limit = 50,
) -> forms.Videos:
    """Videos, the newest request first, a page at a time."""
    try:
        place = forms.from_cursor(cursor)
    except forms.BadCursor as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    rows = await has.pool.fetch(SQL["videos"], whose(key, creator), status, *place, limit)
    page = rows[:limit]
    more = forms.to_cursor(page[-1]) if len(rows) > limit else None
    return forms.Videos(videos=[forms.Video.of(row) for row in page], next=more)


@router.get("/videos/{creator}/{video}", tags=["videos"])
async def video(has: Has, key: Reading, creator: Name, video: Name) -> forms.VideoDetail:
    """A video: how far it is, what is known of its file, what it cost."""
    found = await has.pool.fetchrow(SQL["video"], whose(key, creator), video)
    if found is None:
        raise queries.NoSuchVideo(f"no video {video!r} of {creator!r} is known")
    return forms.VideoDetail.of(found)


@router.get("/videos/{creator}/{video}/chunks", tags=["videos"])
async def chunks(has: Has, key: Reading, creator: Name, video: Name) -> forms.Chunks:
    """The chunks of a video by which it is found."""
    rows = await has.pool.fetch(SQL["chunks"], whose(key, creator), video)
    return forms.Chunks(chunks=[forms.Chunk.of(row) for row in rows])


@router.get("/videos/{creator}/{video}/usage", tags=["usage"])
async def video_usage(has: Has, key: Reading, creator: Name, video: Name) -> forms.VideoUsage:
    """What a video used and cost, over all its runs."""
    rows = await has.pool.fetch(SQL["video_usage"], whose(key, creator), video)
    return forms.VideoUsage(usage=[forms.Used.of(row) for row in rows])


@router.get("/videos/{creator}/{video}/runs", tags=["videos"])
async def runs(has: Has, key: Reading, creator: Name, video: Name) -> forms.Runs:
    """A video's runs, the newest first."""
    rows = await has.pool.fetch(SQL["runs"], None, whose(key, creator), video)
    if not rows:
        raise queries.NoSuchVideo(f"no video {video!r} of {creator!r} is known")
    return forms.Runs(runs=[forms.Run.of(row) for row in rows])


@router.get("/videos/{creator}/{video}/transcript", tags=["videos"])
async def transcript(has: Has, key: Reading, creator: Name, video: Name) -> forms.Transcript:
    """A video's newest transcript."""
    return forms.Transcript.model_validate(await queries.transcript(has.pool, video, whose(key, creator)))


@router.get("/runs/{run_id}", tags=["runs"])
async def run(has: Has, key: Reading, run_id: UUID) -> forms.Trace:
    """A run: how far it is, what each function did in it, what it used and paid."""
    found = await has.pool.fetchrow(SQL["runs"], run_id, whose(key, None), None)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"no run {run_id} is known")
    me = (found["creator_id"], found["video_id"], run_id)
    work = await has.pool.fetch(SQL["work"], *me)
    used = await has.pool.fetch(SQL["run_usage"], *me)
    return forms.Trace(
        run=forms.Run.of(found), work=[forms.Work.of(row) for row in work], usage=[forms.Used.of(row) for row in used]
    )


@router.get("/search", tags=["search"])
async def search(
    has: Has,
    key: Reading,
    q: Annotated[str, Query(min_length=1, max_length=1000, description="Any words.")],
    creator: Creator = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> forms.Hits:
    """Where something is said, to the second; the best first."""
    found = await searching.find(has.pool, has.embedders, q, whose(key, creator), limit)
    return forms.Hits(hits=[forms.Hit.model_validate(hit, from_attributes=True) for hit in found])


@router.get("/failures", tags=["failures"])
async def failures(
    has: Has,
    key: Reading,
    creator: Creator = None,
    function: Annotated[str | None, Query(max_length=200)] = None,
    error_type: Annotated[str | None, Query(max_length=200, alias="errorType")] = None,
    limit: Limit = 50,
) -> forms.Failures:
    """What failed and still stands, the newest first."""
    rows = await has.pool.fetch(SQL["failures"], whose(key, creator), function, error_type, limit)
    return forms.Failures(failures=[forms.Failure.of(row) for row in rows])


@router.get("/failures/groups", tags=["failures"])
async def failure_groups(has: Has, key: Reading, creator: Creator = None) -> forms.FailureGroups:
    """What failed and still stands, by function and error, the most frequent first."""
    rows = await has.pool.fetch(SQL["failure_groups"], whose(key, creator))
    return forms.FailureGroups(groups=[forms.FailureGroup.of(row) for row in rows])


@router.get("/spaces", tags=["search"])
async def embedding_spaces(has: Has, _: Overseeing) -> forms.Spaces:
    """The embedding spaces: which one search uses, how full each is."""
    found = await spaces.known(has.pool)
    return forms.Spaces(
        spaces=[
            forms.SpaceState(
                space=one.name,
                state=one.state,
                videos=one.videos,
                served=one.served,
                vectors=one.vectors,
                activated_at=one.activated_at,
            )
            for one in found
        ]
    )
