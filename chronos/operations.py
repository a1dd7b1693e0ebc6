"""What operators do goes on the log: who, why, what was meant and what came of it."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from chronos import app
from chronos.config import Settings
from chronos.sending import sender
from schemas.event import Event
from schemas.operating import OperatorActed
from streams.codec import Codec, Undecodable
from streams.reading import LogScan
from streams.record import Record

_acting: ContextVar[str | None] = ContextVar("acting", default=None)


@contextmanager
def acting(by: str) -> Iterator[None]:
    """What is done within, and in the tasks that begin there, was done by somebody else than who runs this process."""
    before = _acting.set(by)
    try:
        yield
    finally:
        _acting.reset(before)


def operator() -> str:
    """Who acts: who was said to, CHRONOS_OPERATOR, or who is logged in here."""
    if by := _acting.get():
        return by
    try:
        return os.environ.get("CHRONOS_OPERATOR") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


async def told(settings: Settings) -> list[OperatorActed]:
    """All that operators did, the newest first."""
    ids = await app.topic_ids(settings)
    codec, scan = app.codec(ids), LogScan(app.cluster(settings))

    def read() -> list[OperatorActed]:
        ends = scan.ends({OperatorActed.name: ids[OperatorActed.name][1]})
        until, begins = {p: high for p, (_, high) in ends.items()}, {p: low for p, (low, _) in ends.items()}
        events = [_read(codec, record) for batch in scan.read(until, begins) for record in batch]
        return [event for event in events if isinstance(event, OperatorActed)]

    return sorted(await asyncio.to_thread(read), key=lambda act: act.acted_at, reverse=True)


def _read(codec: Codec, record: Record) -> Event | None:
    """Whatever a stranger has written to the topic must not hide what operators did."""
    try:
        return codec.read(record).event
    except Undecodable:
        return None


async def tell(
    settings: Settings, act: str, target: str, reason: str | None, plan: Mapping[str, Any], outcome: Mapping[str, Any]
) -> str:
    """Puts an act on the log; gives its id."""
    said = OperatorActed(
        act_id=str(uuid.uuid4()),
        act=act,
        target=target,
        by=operator(),
        reason=reason,
        plan=json.dumps(plan),
        outcome=json.dumps(outcome),
        acted_at=datetime.now(UTC),
    )
    ids = await app.topic_ids(settings)
    async with sender(app.cluster(settings), ids, "operator") as send:
        await send.send(said)
    return said.act_id
