"""The embedding space of the settings, said on the log once, so that search knows where to look."""

from __future__ import annotations

import structlog

from chronos.sending import Sender
from schemas.spaces import SpaceActivated, SpaceRegistered
from streams.postgres import Pool

log = structlog.get_logger()

ACTIVE = "SELECT space FROM spaces WHERE state = 'active' ORDER BY activated_version DESC LIMIT 1"


async def ensure_space(projected: Pool, sender: Sender, model: str, dimensions: int) -> None:
    """Registers and activates `model/dimensions`, unless search uses it already."""
    space = f"{model}/{dimensions}"
    active = await projected.fetchval(ACTIVE)
    if active == space:
        return
    why = "the first space" if active is None else f"the settings name it; before it was {active}"
    registered = SpaceRegistered(space=space, model=model, dimensions=dimensions, by="worker", why=why)
    await sender.send(registered)
    await sender.send(SpaceActivated(space=space, by="worker", why=why))
    log.info("embedding space activated", space=space, before=active)
