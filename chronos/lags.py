"""How far behind the groups are: events, and seconds since the oldest of them was written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from chronos.broker import Broker
from streams.kafka import Cluster
from streams.reading import oldest

Wanted = Sequence[tuple[str, list[str]]]  # groups, with the topics that they read


@dataclass(frozen=True)
class Lag:
    """How far behind a group is, and how many work for it. `seconds` is None where nothing waits."""

    group: str
    members: int
    events: int
    seconds: float | None


def lags(cluster: Cluster, wanted: Wanted) -> list[Lag]:
    """Of the given groups, in their order. Blocks for some seconds at most.

    Raises:
        BrokerAway.
    """
    found = []
    for group in Broker(cluster).groups(wanted):
        written = oldest(cluster, group.waiting) if group.waiting else None
        seconds = None if written is None else max(0.0, time.time() - written / 1000)
        found.append(Lag(group.name, group.members, group.lag, seconds))
    return found
