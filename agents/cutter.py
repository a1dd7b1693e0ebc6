"""Where to cut a video's sound: pauses are found by loudness, and speech is cut in them into spans to send. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Span = tuple[float, float]
"""(start, end) in seconds."""

Levels: TypeAlias = "npt.NDArray[np.float32]"
"""Loudness in dBFS, one value for each `Cutting.frame` of sound."""

_Ms = tuple[int, int]
_LONGEST = 600.0  # seconds: 19 MB; providers take 25
_FINEST = 0.001  # seconds: 16 samples; of fewer no loudness can be told
_SHORTEST_PAUSE = 0.1  # seconds: the pauses of 12 hours are 6 MB then, and an event may have 8


@dataclass(frozen=True)
class Cutting:
    """The settings of the cut. Seconds, and dBFS for loudness. Its repr is part of a function's fingerprint."""

    shortest: float = 30.0
    """Whisper listens in windows of 30 s: shorter spans lose context, and each span costs a call."""

    longest: float = 60.0
    """A crash repeats at most one span; longer ones also leave fewer to run side by side."""

    lull: float = 2.0
    """A silence this long is never sent: models invent text for it. Below 2 s a slow speaker's pauses would make
    each sentence a call of its own."""

    padding: float = 0.2
    """Silence kept beside speech: soft first and last sounds lie below the threshold. More would be paid for."""

    pause: float = 0.3
    """The shortest silence that counts. Below it lie the closures inside words (p, t, k: up to 0.2 s)."""

    frame: float = 0.02
    """How fine loudness is measured. Below 0.02 s single periods of a deep voice show; above, pauses blur."""

    faintest: float = -70.0
    """Silent whatever the rest is like. The noise of 16-bit sound is at -98; a whisper on a bad microphone, -60."""

    loudest: float = -35.0
    """Never silent whatever the rest is like: quiet speech beside loud music is still speech."""

    rise: float = 6.0
    """How far above the background (the tenth percentile of what is not faint) silence may reach."""

    depth: float = 12.0
    """How far below the loud parts (the 95th percentile) silence must lie: steady noise or music has none."""

    def __post_init__(self) -> None:
        if not 0 < self.shortest < self.longest <= _LONGEST or not 0 <= 2 * self.padding <= self.lull:
            raise ValueError(f"{self} must have 0 < shortest < longest <= {_LONGEST:.0f} and 2 * padding <= lull")
        if not _FINEST <= self.frame <= _SHORTEST_PAUSE <= self.pause:
            raise ValueError(f"{self} must have {_FINEST} <= frame <= {_SHORTEST_PAUSE} <= pause")

    def listener(self) -> str:
        """Name, version and settings of what finds the pauses, without what cuts in them. Raise the version with the
        rule of `silences`: pauses of another listener tell a plan nothing."""
        heard = (self.frame, self.pause, self.faintest, self.loudest, self.rise, self.depth)
        return f"loudness/1 {' '.join(map(str, heard))}"


def silences(levels: Levels, cutting: Cutting) -> list[Span]:
    """The pauses in a sound. In doubt it is speech: a pause that is missed costs little, a lost word is lost."""
    import numpy as np  # here: who only plans cuts, as the server does, waits 0.2 s less

    quiet = levels < _threshold(levels, cutting)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    runs = [(start * cutting.frame, end * cutting.frame) for start, end in edges.reshape(-1, 2).tolist()]
    return [(start, end) for start, end in runs if end - start >= cutting.pause - cutting.frame / 2]


def spans(duration: float, quiet: Iterable[Span], cutting: Cutting) -> tuple[Span, ...]:
    """The spans to send, in order and apart: all that is not silent, cut in pauses where there are any.

    Args:
        duration: of the sound, in seconds.
        quiet: its silences. Those at the edges and those of a lull or more are left out, but for the padding.
    """
    end = _ms(duration)
    pauses = list(_merged(quiet, end))
    pieces = [piece for island in _islands(pauses, end, cutting) for piece in _pieces(*island, pauses, cutting)]
    return tuple((start / 1000, stop / 1000) for start, stop in pieces)


def _threshold(levels: Levels, cutting: Cutting) -> float:
    import numpy as np

    live = levels[levels >= cutting.faintest]
    if not live.size:
        return cutting.faintest
    background, loud = np.percentile(live, (10, 95))
    threshold = min(float(background) + cutting.rise, float(loud) - cutting.depth)
    return max(cutting.faintest, min(threshold, cutting.loudest))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _merged(quiet: Iterable[Span], end: int) -> Iterator[_Ms]:
    """Silences in milliseconds, in order, joined where they touch, none outside the sound."""
    last: _Ms | None = None
    for start, stop in sorted((max(0, _ms(start)), min(end, _ms(stop))) for start, stop in quiet):
        if stop <= start:
            continue
        if last and start <= last[1]:
            last = (last[0], max(last[1], stop))
            continue
        if last:
            yield last
        last = (start, stop)
    if last:
        yield last


def _islands(pauses: Sequence[_Ms], end: int, cutting: Cutting) -> Iterator[_Ms]:
    """Stretches of sound between lulls and edges, with their padding."""
    padding, begin = _ms(cutting.padding), 0
    for start, stop in [*pauses, (end, end)]:
        at_edge = start == 0 or stop == end
        if not at_edge and stop - start < _ms(cutting.lull):
            continue
        if start > begin:
            yield max(0, begin - padding), min(end, start + padding)
        begin = stop


def _pieces(start: int, end: int, pauses: Sequence[_Ms], cutting: Cutting) -> Iterator[_Ms]:
    while end - start > _ms(cutting.longest):
        stop, resume = _best_cut(start, end, pauses, cutting)
        yield start, stop
        start = resume
    yield start, end


def _best_cut(start: int, end: int, pauses: Sequence[_Ms], cutting: Cutting) -> _Ms:
    """Where this piece stops and the next begins: in the longest pause that leaves a fair length, else at the limit."""
    earliest, latest = start + _ms(cutting.shortest), start + _ms(cutting.longest)
    first = bisect_left(pauses, earliest - _ms(cutting.padding), key=lambda pause: pause[0])
    after = bisect_right(pauses, latest, key=lambda pause: pause[0])
    cuts = [(pause[1] - pause[0], _inside(pause, _ms(cutting.padding))) for pause in pauses[max(0, first - 1) : after]]
    fair = [(length, cut) for length, cut in cuts if earliest <= cut[0] <= latest and cut[1] < end]
    return max(fair)[1] if fair else (latest, latest)


def _inside(pause: _Ms, padding: int) -> _Ms:
    """A short pause is cut in its middle; of a longer one, each side keeps its padding."""
    middle = sum(pause) // 2
    return min(middle, pause[0] + padding), max(middle, pause[1] - padding)
