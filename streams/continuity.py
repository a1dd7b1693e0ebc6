"""Notices records that a consumer left out, and has them read again: what is never delivered would be committed past.

Faust throws records away that came while its flow stood still, and trusts a seek that aiokafka does not make where a
partition has no commit yet: on a real broker, with a worker stopped through a rebalance, a video was lost for good.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)

READINGS = 3  # one could be thrown away as well, by the next rebalance


class Continuity(Generic[P]):
    """The offset that must come next in each partition."""

    def __init__(self) -> None:
        self._next: dict[P, int] = {}
        self._again: dict[P, int] = {}
        self._doubts: dict[P, tuple[int, int, int]] = {}  # wanted, found instead, how often

    def begin(self, partition: P, offset: int) -> None:
        """Reading begins here."""
        self._next[partition] = offset
        self._again.pop(partition, None)

    def admit(self, partition: P, offset: int) -> bool:
        """Whether a record may be delivered. False: records before it are missing, and it will come again after them.

        A gap that is the same after three readings is one of the log itself: what a transaction left, or the beginning
        of a log that was cut off.
        """
        if partition in self._again:
            return False
        wanted = self._next.get(partition, offset)
        if offset > wanted and self._doubt(partition, wanted, offset) < READINGS:
            self._again[partition] = wanted
            return False
        self._next[partition] = max(wanted, offset + 1)
        return True

    def _doubt(self, partition: P, wanted: int, found: int) -> int:
        """How often in a row this was found instead of that."""
        before = self._doubts.get(partition)
        times = before[2] + 1 if before and before[:2] == (wanted, found) else 0
        self._doubts[partition] = (wanted, found, times)
        return times

    def again(self) -> dict[P, int]:
        """Takes out the partitions that are to be read again, with the offset to begin at."""
        again, self._again = self._again, {}
        return again

    def forget(self, partition: P) -> None:
        """The partition was let go."""
        self._next.pop(partition, None)
        self._again.pop(partition, None)
        self._doubts.pop(partition, None)
