"""What a stream of changes tells, in camelCase."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from chronos.api.forms import Form, Trouble


class Place(Form):
    topic: str
    partition: int
    offset: int


class Change(Form):
    """A fact of a run, as a stream of changes tells it."""

    id: UUID
    event: str
    run_id: UUID
    video_id: str
    creator_id: str
    status: str | None = Field(description="That the run has come to, where it is another one.")
    at: datetime
    place: Place
    function: str | None
    attempt: int | None
    error: Trouble | None


class Reset(Form):
    """Something was missed: what is shown has to be read anew."""

    reason: str
