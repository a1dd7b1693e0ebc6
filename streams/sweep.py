"""Tells what was paid for but not told: calls that lost a race, and workers that died at the very end."""

from __future__ import annotations

from streams.codec import Codec
from streams.identity import spend_id
from streams.kafka import Outbox
from streams.purchases import Purchases
from streams.telling import Speaker, bought


async def sweep(purchases: Purchases, outbox: Outbox) -> None:
    """Sends the usage of spends whose run is over. Its id is the call's: whoever sends it, it counts once."""
    for untold in await purchases.untold():
        speaker = Speaker(untold.key, untold.run_id, untold.sequence)
        event = bought(untold.key.function, untold.video_id, untold.creator_id, untold.spend)
        record = Codec.write(event, speaker.envelope(event, spend_id(untold.spend.token), untold.run_id))
        await outbox.send(record.topic, record.key, record.value, record.headers)
        purchases.note_told([untold.spend.token])
