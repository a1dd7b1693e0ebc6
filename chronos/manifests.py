"""What Kubernetes needs to run Chronos, drawn from the tables in code: `chronos manifests`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chronos import acls, workloads
from chronos.acls import Acl
from chronos.pipeline import FUNCTIONS
from chronos.workloads import CONSOLE, LAGS, PROJECTION, Names, Object
from schemas.topics import TOPICS
from streams.kafka import config_of

STRIMZI = "kafka.strimzi.io/v1"
REPLICAS = 3


def topics(names: Names) -> list[Object]:
    """Strimzi's KafkaTopic for each topic."""
    return [
        _strimzi(
            "KafkaTopic",
            topic.name,
            names,
            {"partitions": topic.partitions, "replicas": REPLICAS, "config": config_of(topic, REPLICAS)},
        )
        for topic in TOPICS.values()
    ]


def users(names: Names) -> list[Object]:
    """Strimzi's KafkaUser for each process, with the least leave; its password is in a secret of its name."""
    of = {workloads.user(function.name): acls.of_function(function) for function in FUNCTIONS}
    of |= {workloads.user(PROJECTION): acls.of_projection(), workloads.user(CONSOLE): acls.of_console()}
    of[workloads.user(LAGS)] = acls.of_lags()
    return [_strimzi("KafkaUser", name, names, _leave(allowed)) for name, allowed in of.items()]


PARTS: Mapping[str, Callable[[Names], list[Object]]] = {
    "topics": topics,
    "users": users,
    "workloads": workloads.workloads,
    "scaling": workloads.scaling,
}


def manifests(names: Names, parts: Iterable[str] = PARTS) -> list[Object]:
    """The objects of the given parts.

    Raises:
        KeyError: there is no such part; it names those that there are.
    """
    for part in parts:
        if part not in PARTS:
            raise KeyError(f"no part is named {part!r}; there are {', '.join(PARTS)}")
    return [one for part in parts for one in PARTS[part](names)]


def as_yaml(objects: Iterable[Object]) -> str:
    """One document after the other."""
    return "".join(f"---\n{''.join(_lines(one))}" for one in objects)


def _strimzi(kind: str, name: str, names: Names, spec: Object) -> Object:
    labels = {"strimzi.io/cluster": names.cluster}
    return {"apiVersion": STRIMZI, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}


def _leave(allowed: Iterable[Acl]) -> Object:
    rules = [
        {
            "resource": {
                "type": one.resource,
                "name": one.name,
                "patternType": "prefix" if one.prefixed else "literal",
            },
            "operations": list(one.operations),
        }
        for one in allowed
    ]
    return {"authentication": {"type": "scram-sha-512"}, "authorization": {"type": "simple", "acls": rules}}


@dataclass(frozen=True)
class _At:
    """Where a value is written: how far from the left, and whether on a line that has begun."""

    depth: int = 0
    begun: bool = False


def _lines(value: Any, at: _At = _At()) -> Iterable[str]:
    """YAML in blocks, with every string as JSON writes it. PyYAML is no package of the image, and this is all of it."""
    pad = "  " * at.depth
    match value:
        case dict() if value:
            for n, (key, one) in enumerate(value.items()):
                begun = "" if at.begun and n == 0 else pad
                nested = isinstance(one, dict | list) and one
                yield f"{begun}{key}:{'' if not nested else chr(10)}"
                yield from _lines(one, _At(at.depth + 1)) if nested else (f" {json.dumps(one, ensure_ascii=False)}\n",)
        case list() if value:
            for one in value:
                yield f"{pad}- "
                yield from _lines(one, _At(at.depth + 1, begun=True))
        case _:
            yield f"{json.dumps(value, ensure_ascii=False)}\n"
