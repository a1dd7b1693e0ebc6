"""`--where`: conditions on named fields, for whatever is chosen by question. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_CONDITION = re.compile(r"(\w+)\s*(~=|!=|=)(.*)", re.DOTALL)


class BadCondition(ValueError):
    """A `--where` that says nothing that can be decided."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`field=value`, `field!=value`, or `field~=text` (contains it, whatever the case)."""

    name: str
    operator: str
    value: str

    def holds(self, said: str | None) -> bool:
        """What says nothing equals nothing and contains nothing."""
        match self.operator:
            case "=":
                return said == self.value
            case "!=":
                return said != self.value
            case _:
                return said is not None and self.value.casefold() in said.casefold()


def condition(text: str, fields: Sequence[str]) -> Condition:
    """Raises BadCondition: it names the fields and the operators."""
    found = _CONDITION.fullmatch(text.strip())
    if found is None or found[1] not in fields:
        raise BadCondition(
            f"{text!r} is no condition: give field=value, field!=value or field~=text, with {', '.join(fields)}"
        )
    return Condition(found[1], found[2], found[3].strip())


def all_hold(conditions: Iterable[Condition], says: Callable[[str], str | None]) -> bool:
    return all(condition.holds(says(condition.name)) for condition in conditions)
