"""Figures as bars, for an SVG that a page draws: paths in units of its own, one a kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STEP, BAR, HEIGHT = 10, 8, 40  # units: of a bar and the gap beside it; of the tallest bar


@dataclass(frozen=True)
class Chart:
    """Bars that stand on each other, by kind, which is a class of the style sheet too."""

    width: int
    paths: Mapping[str, str]
    most: float
    height: int = HEIGHT


def bars(series: Mapping[str, Sequence[float]]) -> Chart:
    """A bar for each place of the series; they are all of one length."""
    columns = list(zip(*series.values(), strict=True))
    most = max((sum(column) for column in columns), default=0.0)
    paths = dict.fromkeys(series, "")
    for n, column in enumerate(columns):
        level = 0.0
        for kind, value in zip(series, column, strict=True):
            if value:
                paths[kind] += _bar(n, level / most, value / most)
            level += value
    return Chart(max(len(columns), 1) * STEP, {kind: path for kind, path in paths.items() if path}, most)


def _bar(n: int, below: float, share: float) -> str:
    """The least that is not nothing is seen."""
    tall = max(1.0, share * HEIGHT)
    return f"M{n * STEP} {HEIGHT * (1 - below):.1f}v-{tall:.1f}h{BAR}v{tall:.1f}z"
