"""How an event's schema may change: every version reads, and is read by, every other (FULL_TRANSITIVE). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from schemas.generate import Avro, fingerprint

Place = tuple[str, Any, str]
"""A path like `segments[].words[].start`, the Avro type there, and the field's default as it is shown (or nothing)."""


def problems(schemas: list[Avro]) -> list[str]:
    """What the newest of one event's versions breaks. `schemas`: version 1, 2, ... in order, the current one last."""
    *older, current = schemas
    newest = len(schemas)
    found: list[str] = []
    for version, schema in enumerate(older, start=1):
        found += _unreadable(current, schema, f"version {newest} cannot read what version {version} wrote")
        found += _unreadable(schema, current, f"version {version} cannot read what version {newest} writes")
        found += _reinterpreted(schema, current, version, newest)
        if fingerprint(schema) == fingerprint(current):
            found.append(f"version {newest} has the layout of version {version}: records could not tell which they are")
    return found


def differences(one: Avro, other: Avro) -> list[str]:
    """The fields whose type or default differs, by path, or that the order of fields does. Docs do not count."""
    before = {path: _shown(kind) + default for path, kind, default in _places(one)}
    after = {path: _shown(kind) + default for path, kind, default in _places(other)}
    found = [
        f"{path}: {before.get(path, 'absent')} -> {after.get(path, 'absent')}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    if not found and fingerprint(one) != fingerprint(other):
        return ["the names of records or the order of fields, which is the order of the bytes"]
    return found


def _unreadable(reader: Avro, writer: Avro, what: str) -> list[str]:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # it has no parameters to type
    result = checker.get_compatibility(avro.schema.make_avsc_object(reader), avro.schema.make_avsc_object(writer))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = ", ".join(sorted({kind.value.replace("_", " ") for kind in result.incompatibilities}))
    return [f"{what}: {kinds}: {', '.join(sorted(result.messages))} (at {', '.join(sorted(result.locations))})"]


def _reinterpreted(schema: Avro, current: Avro, version: int, newest: int) -> list[str]:
    """Avro's checker is blind to logical types: a plain number would be read as a moment, or a moment as a number."""
    before = {path: _logical(kind) for path, kind, _ in _places(schema)}
    after = {path: _logical(kind) for path, kind, _ in _places(current)}
    return [
        f"{path}: logicalType {before[path]} in version {version}, {after[path]} in version {newest}; it never changes"
        for path in sorted(before.keys() & after.keys())
        if before[path] != after[path]
    ]


def _places(schema: Avro) -> Iterator[Place]:
    return _walk(schema, "", {})


def _walk(kind: Any, path: str, named: dict[str, Avro]) -> Iterator[Place]:
    """`named`: the records seen so far, since a record is written out once and only named after that."""
    match kind:
        case list():
            for branch in kind:
                yield from _walk(branch, path, named)
        case {"type": "array", "items": items}:
            yield f"{path}[]", items, ""
            yield from _walk(items, f"{path}[]", named)
        case {"type": "record", "name": str(name)}:
            yield from _fields(kind, name, path, named)
        case str() if kind in named:
            yield from _fields(named[kind], kind, path, named)


def _fields(record: Avro, name: str, path: str, named: dict[str, Avro]) -> Iterator[Place]:
    named[name] = {"fields": []}  # a record inside itself is not walked again
    for field in record["fields"]:
        place = f"{path}.{field['name']}" if path else field["name"]
        yield place, field["type"], f" = {json.dumps(field['default'])}" if "default" in field else ""
        yield from _walk(field["type"], place, named)
    named[name] = record


def _shown(kind: Any) -> str:
    match kind:
        case list():
            return " | ".join(_shown(branch) for branch in kind)
        case {"type": "array", "items": items}:
            return f"list of {_shown(items)}"
        case dict():
            return str(kind.get("logicalType") or kind.get("name") or kind["type"])
    return str(kind)


def _logical(kind: Any) -> str | None:
    """Of a union: that of its branch that has one."""
    branches = kind if isinstance(kind, list) else [kind]
    return next((b["logicalType"] for b in branches if isinstance(b, dict) and "logicalType" in b), None)
