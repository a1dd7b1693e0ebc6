"""What a verification found, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from streams.postgres import Row


@dataclass
class Report:
    """Differences, requests without an ending, and what is no difference since it is not over yet."""

    SHOWN: ClassVar[int] = 20  # differences of one query that are shown; all are counted

    facts: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # differences by kind, also those that are not shown
    without_ending: list[dict[str, str]] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0

    @property
    def ok(self) -> bool:
        return not self.differences and not self.without_ending

    def add(self, kind: str, found: Iterable[Row | Mapping[str, Any]]) -> None:
        """Rows with `what` is wrong and how many there are in all (`total`), of which these are the first."""
        rows = list(found)
        if not rows:
            return
        total = rows[0]["total"]
        self.counts[kind] += total
        self.differences += [row["what"] for row in rows]
        if total > len(rows):
            self.differences.append(f"{kind}: and {total - len(rows)} more")

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "facts": self.facts,
            "rows": self.rows,
            "differences": self.differences,
            "counts": dict(self.counts),
            "withoutEnding": self.without_ending,
            "open": self.open,
            "deadLetters": self.dead_letters,
        }

    def summary(self) -> str:
        different = sum(self.counts.values())
        return (
            f"{self.facts} facts, {self.rows} rows, {different} differences, "
            f"{len(self.without_ending)} requests without an ending"
        )

    def still_open(self) -> str:
        """What is going on, in words; empty where nothing is."""
        names = {
            "requests": "requests",
            "results": "paid results whose runs are not over",
            "spends": "paid calls whose usage is still to be told",
            "lateResults": "paid results that came after their runs had ended",
        }
        return ", ".join(f"{self.open[key]} {name}" for key, name in names.items() if self.open.get(key))
