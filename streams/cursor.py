"""Where a reader of topics stands: the next offset of each partition, also as text that a client keeps. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping

Place = tuple[str, int]  # topic, partition
Offsets = Mapping[Place, int]  # the next offset of each
DIGEST = 6  # bytes: that two clusters' topics have the same one is not met in practice
LARGEST = 1 << 16  # bytes of JSON: ten thousand partitions


class BadCursor(ValueError):
    """No cursor that was given out."""


class Outdated(ValueError):
    """A cursor of other topics: they were made anew, or grew."""


class Cursors:
    """Writes and reads the cursors of some topics.

    Args:
        topics: name -> (UUID, partitions), as the broker has them.
    """

    def __init__(self, topics: Mapping[str, tuple[str, int]]) -> None:
        self._places = [(name, number) for name in sorted(topics) for number in range(topics[name][1])]
        said = json.dumps([(name, *topics[name]) for name in sorted(topics)])
        self._digest = hashlib.sha256(said.encode()).digest()[:DIGEST]

    def write(self, offsets: Offsets) -> str:
        packed = zlib.compress(json.dumps([offsets.get(place, 0) for place in self._places]).encode())
        return base64.urlsafe_b64encode(self._digest + packed).decode().rstrip("=")

    def read(self, text: str) -> dict[Place, int]:
        """
        Raises:
            BadCursor, Outdated.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            inflater = zlib.decompressobj()
            found = json.loads(inflater.decompress(raw[DIGEST:], LARGEST))
        except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
            raise BadCursor("this is no cursor that was given out: begin without one") from error
        if raw[:DIGEST] != self._digest:
            raise Outdated("the topics were made anew, or have grown, since this cursor was given out")
        if not isinstance(found, list) or len(found) != len(self._places) or not all(_is_offset(one) for one in found):
            raise BadCursor("this is no cursor that was given out: begin without one")
        return dict(zip(self._places, found, strict=True))


def _is_offset(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


class Reader:
    """What one reader has had: it takes each record once, whoever brings it. Pure."""

    def __init__(self, start: Offsets) -> None:
        self.next = dict(start)

    def takes(self, place: Place, offset: int) -> bool:
        """Whether a record is new to it; it is had then. Records of one partition come in their order."""
        if offset < self.next.get(place, 0):
            return False
        self.next[place] = offset + 1
        return True

    def has_had(self, offsets: Offsets) -> None:
        """All before these offsets was looked at, whether it was wanted or not."""
        for place, offset in offsets.items():
            if offset > self.next.get(place, 0):
                self.next[place] = offset


def lowest_missing(start: Offsets, lows: Offsets) -> list[Place]:
    """Partitions that begin behind where a reader stands: what it has not had is gone."""
    return [place for place, low in lows.items() if start.get(place, 0) < low]


def between(start: Offsets, until: Offsets) -> int:
    """Offsets from the one to the other."""
    return sum(max(0, until[place] - start.get(place, 0)) for place in until)


def names(places: Iterable[Place]) -> str:
    return ", ".join(f"{topic}/{partition}" for topic, partition in places)
