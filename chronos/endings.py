"""What becomes of an attempt that met an error: one line for every error there is. A test walks it.

`judge` in streams/retry.py makes the ending out of an error's family; which family a class belongs to is said where it
is declared. Here all of them stand side by side, for whoever wants to know what happens when.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from agents import ports
from streams.attempt import PastDeadline
from streams.kafka import BrokerAway, DeliveryFailed, TooLarge
from streams.paying import NonsenseAnswer
from streams.postgres import AWAY
from streams.retry import Held

Ending = Literal["final", "retried", "paced", "blocked", "held", "waited for"]
"""
final: function.failed at once · retried: another attempt after a pause, until there are none left; in a row they open
the provider's breaker · paced: tried again later, no attempt charged · blocked: the breaker opens at once, everything
that needs the provider waits, no attempt charged · held: by a person's limit, for as long as that lasts, no attempt
charged · waited for: the statement or the fetch itself waits and goes on
"""

ENDINGS: Mapping[type[BaseException], Ending] = {
    # storage
    ports.OutsideStore: "final",
    ports.ObjectMissing: "final",
    ports.StorageRefused: "final",
    ports.StorageUnavailable: "retried",  # the store is away, or the disk is full
    ports.StorageInterrupted: "retried",  # after the download has gone on by itself as often as it may
    ports.StorageBusy: "paced",
    # media
    ports.UnreadableMedia: "final",
    ports.MediaLimit: "final",
    # providers: which status and code is which is data of chronos/adapters/openai_client.py
    ports.SpeechRefused: "final",
    ports.SpeechUnavailable: "retried",
    ports.SpeechBusy: "paced",
    ports.SpeechBlocked: "blocked",
    ports.EmbeddingRefused: "final",
    ports.EmbeddingUnavailable: "retried",
    ports.EmbeddingBusy: "paced",
    ports.EmbeddingBlocked: "blocked",
    NonsenseAnswer: "retried",
    Held: "held",  # a budget
    # receivers of webhooks: which status is which is in chronos/adapters/webhooks.py
    ports.WebhookRefused: "final",
    ports.WebhookUnavailable: "retried",
    ports.WebhookBusy: "paced",
    # the log
    ports.TranscriptMissing: "final",
    TooLarge: "final",
    DeliveryFailed: "paced",
    BrokerAway: "waited for",
    # Postgres
    **dict.fromkeys(AWAY, "waited for"),
    # a function that hangs, and what nobody foresaw: a bug may be mended while the run waits
    PastDeadline: "retried",
    Exception: "retried",
}
