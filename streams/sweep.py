"""Tells what was paid for but not told: calls that lost a race, and workers that died at the very end."""

from __future__ import annotations

from schemas.event import Event
from streams.codec import Codec
from streams.identity import event_id, spend_id
from streams.kafka import Outbox
from streams.purchases import Purchases, UntoldSpend
from streams.telling import Speaker, bought, result_kept


async def sweep(purchases: Purchases, outbox: Outbox) -> None:
    """Sends results and usage of spends whose run is over. Their ids are the call's: sent twice, they are one."""
    for untold in await purchases.untold():
        for event, id in await _left(purchases, untold):
            envelope = Speaker(untold.key, untold.run_id, untold.sequence).envelope(event, id, untold.run_id)
            record = Codec.write(event, envelope)
            await outbox.send(record.topic, record.key, record.value, record.headers)
        purchases.note_told([untold.spend.token])


async def _left(purchases: Purchases, untold: UntoldSpend) -> list[tuple[Event, str]]:
    """What is to be told of a call, with its ids: first what it gave, then what it cost."""
    key, spend = untold.key, untold.spend
    whose = (key.function, untold.video_id, untold.creator_id)
    results = [result_kept(paid, kept, *whose) for paid, kept in (await purchases.recall(spend.keys)).items()]
    events: list[tuple[Event, str]] = [(event, _id(untold, event)) for event in results]
    return [*events, (bought(*whose, spend), spend_id(spend.token))]


def _id(untold: UntoldSpend, event: Event) -> str:
    key = untold.key
    return event_id(key.input_id, key.function, key.fingerprint, event.name, event.part())
