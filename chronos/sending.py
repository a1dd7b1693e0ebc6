"""Sends events from outside a function: a producer's commands, an operator's acts."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas import avro
from schemas.event import Coordinates, Event
from streams import tracing
from streams.codec import SOURCE
from streams.envelope import Envelope, read_headers
from streams.identity import Place, outside_run
from streams.kafka import Cluster, Outbox
from streams.record import Record


@dataclass(frozen=True)
class Sent:
    """An event that is on the log, and the run that it begins there if it is a command."""

    event: Event
    place: Coordinates
    run_id: str


class Sender:
    """Puts events on their topics, in Avro, with an envelope that says who sent them."""

    def __init__(self, outbox: Outbox, topic_ids: dict[str, tuple[str, int]], by: str) -> None:
        self._outbox, self._topic_ids, self._by = outbox, topic_ids, by

    async def send(self, event: Event, *, cause: str = "") -> Sent:
        """Waits until all replicas have it. `cause`: id of the event that it answers, for people to see.

        Raises:
            TooLarge, DeliveryFailed.
        """
        headers = self._envelope(event, avro.data_schema(type(event)), cause).headers()
        return await self._put(event, event.key().encode(), avro.encode(event), headers)

    async def send_again(self, event: Event, record: Record, *, cause: str) -> Sent:
        """Sends a command as it was, byte for byte, under an envelope of its own: it begins a new run.

        Raises:
            TooLarge, DeliveryFailed.
        """
        schema = read_headers(record.headers).get("dataschema", "")
        return await self._put(event, record.key, record.value, self._envelope(event, schema, cause).headers())

    async def _put(
        self, event: Event, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> Sent:
        with tracing.sending(event.name):
            stored = await self._outbox.send(event.name, key, value, tracing.marked(headers))
        topic_id, _ = self._topic_ids[event.name]
        place = Place(topic_id, stored.place.partition, stored.place.offset)
        return Sent(event, stored.place, outside_run(place, stored.timestamp_ms))

    def _envelope(self, event: Event, schema: str, cause: str) -> Envelope:
        """Without a function: whoever reads it takes its identity from its place on the log."""
        return Envelope(
            id=str(uuid.uuid4()),
            type=event.name,
            source=f"{SOURCE}/{self._by}",
            time=datetime.now(UTC),
            subject=event.subject(),
            run_id="",
            cause_id=cause,
            sequence=0,
            function="",
            schema=schema,
        )


@asynccontextmanager
async def sender(
    cluster: Cluster, topic_ids: dict[str, tuple[str, int]], by: str, patience: float | None = None
) -> AsyncIterator[Sender]:
    """A sender with a producer of its own. `patience`: see `Outbox`."""
    outbox = Outbox(cluster, patience)
    try:
        yield Sender(outbox, topic_ids, by)
    finally:
        await outbox.close()
