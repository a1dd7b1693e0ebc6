"""Which chunk set search uses of each video, and which sets are of no more use. Pure: places in, choices out.

A video is never blank while it is embedded anew, and sets never mix: the newest complete set of the space activated
last is served, or else of the space before. Only older sets of the same space are pruned, and those of retired spaces.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Video = tuple[str, str]


@dataclass(frozen=True)
class Place:
    """A chunk set in one of its spaces, and where it stands among the sets of its video."""

    video: Video
    chunk_set_id: str
    space: str
    place: bytes
    spaces: int  # how many spaces the set is embedded for
    complete: bool
    gone: bool = False  # its space was retired after it was cut: it has no vectors there, and never will


@dataclass
class Choice:
    """What is served, and what can go."""

    served: dict[Video, tuple[str, str]] = field(default_factory=dict)  # video -> (space, chunk set)
    old_vectors: list[Place] = field(default_factory=list)
    old_chunks: list[tuple[str, str, str]] = field(default_factory=list)


def choose(places: Iterable[Place], live_spaces: Sequence[str]) -> Choice:
    """`live_spaces`: best first."""
    choice = Choice()
    by_video: dict[Video, list[Place]] = defaultdict(list)
    for place in places:
        by_video[place.video].append(place)
    for video, sets in by_video.items():
        newest = _newest(sets)
        for space in live_spaces:
            if best := newest.get(space):
                choice.served[video] = (space, best.chunk_set_id)
                break
        _prune(video, sets, newest, choice)
    return choice


def _newest(sets: Iterable[Place]) -> dict[str, Place]:
    newest: dict[str, Place] = {}
    for place in sets:
        standing = newest.get(place.space)
        if place.complete and (standing is None or standing.place < place.place):
            newest[place.space] = place
    return newest


def _prune(video: Video, sets: Iterable[Place], newest: dict[str, Place], choice: Choice) -> None:
    """A set's chunks go when it is old in all of its spaces; its vectors go space by space."""
    old: dict[str, int] = defaultdict(int)
    for place in sets:
        if place.gone or _is_older(place, newest.get(place.space)):
            choice.old_vectors.append(place)
            old[place.chunk_set_id] += 1
            if old[place.chunk_set_id] == place.spaces:
                choice.old_chunks.append((*video, place.chunk_set_id))


def _is_older(place: Place, best: Place | None) -> bool:
    if best is None or best.chunk_set_id == place.chunk_set_id:
        return False
    return place.place < best.place[: len(place.place)]
