"""Where operators hand in what they want done, and get an operation for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from chronos.api import wishes
from chronos.api.background import Operation, Progress
from chronos.api.resources import Has, Operating, Resources

Work = Callable[[Progress], Awaitable[dict[str, Any]]]

GOES_ON: dict[int | str, dict[str, Any]] = {
    202: {"model": wishes.Operation, "description": "It goes on: its Location says how far it is."}
}


@dataclass(frozen=True)
class Desk:
    """Of one request."""

    has: Resources
    by: str
    response: Response

    async def hand_in(self, kind: str, target: str, work: Work, *, changing: bool = True) -> wishes.Operation:
        """Gives the operation, done or not: 202 where it goes on."""
        operation = await self.has.operations.begin(kind, target, self.by, work, changing=changing)
        if operation.state == "running":
            self.response.status_code = HTTPStatus.ACCEPTED
            self.response.headers["Location"] = f"/v1/operations/{operation.id}"
        return form(operation)


def form(operation: Operation) -> wishes.Operation:
    return wishes.Operation.model_validate(operation, from_attributes=True)


def _desk(has: Has, by: Operating, response: Response) -> Desk:
    return Desk(has, by, response)


At = Annotated[Desk, Depends(_desk)]
