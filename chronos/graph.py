"""The picture of the pipeline, drawn from the functions' declarations: who reads what, and says what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from chronos.pipeline import EVENTS, FUNCTIONS
from schemas.catalogue import CATALOGUE
from schemas.running import FunctionFailed
from streams.stage import Function


@dataclass(frozen=True)
class Node:
    """A function, with the topics that it reads and says."""

    name: str
    version: int
    about: str
    reads: tuple[str, ...]
    says: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "function": self.name,
            "version": self.version,
            "about": self.about,
            "reads": list(self.reads),
            "says": list(self.says),
        }


@dataclass(frozen=True)
class Graph:
    """Functions, and between them topics."""

    functions: tuple[Node, ...]

    def topics(self) -> tuple[str, ...]:
        """Each once, in the order of the functions."""
        return tuple(dict.fromkeys(topic for one in self.functions for topic in (*one.reads, *one.says)))

    def edges(self) -> Iterator[tuple[str, str]]:
        """From a topic to who reads it, from a function to what it says."""
        for one in self.functions:
            yield from ((topic, one.name) for topic in one.reads)
            yield from ((one.name, topic) for topic in one.says)

    def to_json(self) -> dict[str, Any]:
        folded = {event.name for event in EVENTS}
        topics = [{"topic": name, "kind": CATALOGUE[name].kind, "folded": name in folded} for name in self.topics()]
        return {"functions": [one.to_json() for one in self.functions], "topics": topics}


def graph(functions: Iterable[Function] = FUNCTIONS) -> Graph:
    """Of the pipeline. What every function may say of its own running (usage, retries) is left out: a line from each to
    each of them would show nothing."""
    return Graph(tuple(_node(one) for one in functions))


def _node(one: Function) -> Node:
    failure = (FunctionFailed.name,) if one.reports_failure else ()
    about = (one.body.__doc__ or "").strip().partition("\n\n")[0]
    return Node(
        name=one.name,
        version=one.version,
        about=" ".join(about.split()),
        reads=tuple(event.name for event in one.consumes),
        says=(*(event.name for event in one.emits), *failure),
    )


def as_text(drawn: Graph) -> str:
    """A function in some lines, its topics beside it."""
    return "\n".join(line for one in drawn.functions for line in _lines(one))


def _lines(one: Node) -> list[str]:
    return [
        one.name,
        *(f"  ← {topic}" for topic in one.reads),
        *(f"  → {topic}" for topic in one.says),
    ]


def as_mermaid(drawn: Graph) -> str:
    """A flowchart for Markdown: functions are boxes, commands and facts are rounded."""
    ids = {name: f"n{n}" for n, name in enumerate((*(one.name for one in drawn.functions), *drawn.topics()))}
    boxes = [f'    {ids[one.name]}["{one.name}"]' for one in drawn.functions]
    topics = [f'    {ids[name]}(["{name}"])' for name in drawn.topics()]
    edges = [f"    {ids[source]} --> {ids[target]}" for source, target in drawn.edges()]
    return "\n".join(["flowchart LR", *boxes, *topics, *edges])
