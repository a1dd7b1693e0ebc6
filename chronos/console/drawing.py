"""Where the boxes and lines of the pipeline's picture stand: in columns, by what each follows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from chronos.graph import Graph
from schemas.catalogue import CATALOGUE

LETTER = 7.0  # units of the picture for a letter of 12 units: a system font's letters are narrower, on the average
ROW, GAP, HEIGHT, PADDING = 32.0, 32.0, 22.0, 8.0


@dataclass(frozen=True)
class Box:
    """A function or a topic."""

    name: str
    kind: Literal["function", "command", "fact"]
    x: float
    y: float
    width: float
    height: float = HEIGHT


@dataclass(frozen=True)
class Picture:
    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]  # paths of SVG


@dataclass(frozen=True)
class _Place:
    """A name in a column: its box, or where lines to it go past."""

    column: int
    name: str


Hops = Sequence[tuple[_Place, _Place]]


def picture(graph: Graph) -> Picture:
    """Each name stands one column behind the last one that it follows. A line over several columns goes past the boxes
    between at the bottom, together with the others to the same end."""
    edges = list(graph.edges())
    columns = _columns(graph, edges)
    hops = list(dict.fromkeys(hop for edge in edges for hop in _hops(columns, *edge)))
    rows = _rows(columns, hops)
    widths = _widths(columns)
    lefts = [1 + sum(widths[:n]) + n * GAP for n in range(len(widths))]
    own = [place for place in rows if columns[place.name] == place.column]
    boxes = [Box(p.name, _kind(p.name), lefts[p.column], rows[p] - HEIGHT / 2, widths[p.column]) for p in own]
    lines = [_line(lefts[a.column] + widths[a.column], rows[a], lefts[b.column], rows[b]) for a, b in hops]
    past = [
        f"M{lefts[p.column]:.0f} {y:.0f}H{lefts[p.column] + widths[p.column]:.0f}"
        for p, y in rows.items()
        if p not in own
    ]
    width, height = lefts[-1] + widths[-1] + 1, max(rows.values()) + ROW / 2
    return Picture(width, height, tuple(boxes), tuple(lines + past))


def _kind(name: str) -> Literal["function", "command", "fact"]:
    return CATALOGUE[name].kind if name in CATALOGUE else "function"


def _columns(graph: Graph, edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    before = defaultdict(list)
    for source, target in edges:
        if (target, source) not in edges or target not in CATALOGUE:  # who says what it reads stands behind it
            before[target].append(source)

    columns: dict[str, int] = {}

    def column(name: str, way: frozenset[str]) -> int:
        """What leads back to where it came from is not followed round and round."""
        if name not in columns:
            behind = [column(one, way | {name}) for one in before[name] if one not in way]
            columns[name] = 1 + max(behind, default=-1)
        return columns[name]

    for name in (*graph.topics(), *(one.name for one in graph.functions)):
        column(name, frozenset([name]))
    return columns


def _hops(columns: Mapping[str, int], source: str, target: str) -> Hops:
    """A line, column by column."""
    first, last = columns[source], columns[target]
    stops = [_Place(first, source), *(_Place(n, target) for n in range(first + 1, last)), _Place(last, target)]
    return list(pairwise(stops))


def _rows(columns: Mapping[str, int], hops: Hops) -> dict[_Place, float]:
    """How far down each place is: near to what it follows, below what stands above it in its column."""
    before = defaultdict(list)
    for a, b in hops:
        before[b].append(a)
    places = list(dict.fromkeys([*(_Place(n, name) for name, n in columns.items()), *(p for hop in hops for p in hop)]))
    rows: dict[_Place, float] = {}
    by_column = [[p for p in places if p.column == n] for n in range(max(columns.values()) + 1)]
    tallest = max(map(len, by_column)) * ROW
    for column in by_column:
        wish = {p: _wish(p, [rows[a] for a in before[p] if a in rows], column, tallest) for p in column}
        goes_past = {p: columns[p.name] != p.column for p in column}
        _put(rows, sorted(column, key=lambda p: (goes_past[p], wish[p])), wish)
    return rows


def _wish(place: _Place, before: Sequence[float], column: Sequence[_Place], tallest: float) -> float:
    if before:
        return sum(before) / len(before)
    return tallest * (column.index(place) + 0.5) / len(column)


def _put(rows: dict[_Place, float], column: Sequence[_Place], wish: Mapping[_Place, float]) -> None:
    """Those that wish for one row stand around it."""
    last = -ROW / 2
    for n, place in enumerate(column):
        same = sum(wish[one] == wish[place] for one in column[n:])
        first = n == 0 or wish[column[n - 1]] != wish[place]
        last = max(last + ROW, wish[place] - (same - 1) / 2 * ROW) if first else last + ROW
        rows[place] = last


def _widths(columns: Mapping[str, int]) -> list[float]:
    """Of the columns: of the longest name in each."""
    last = max(columns.values())
    longest = [max(len(name) for name, column in columns.items() if column == n) for n in range(last + 1)]
    return [letters * LETTER + 2 * PADDING for letters in longest]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (x1 + x2) / 2
    return f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
