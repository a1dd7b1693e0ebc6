"""Our schemas as a registry has them: a subject for the values of each topic, with its released versions. Pure.

NoSuchSchema      there is no such subject, version or schema; `code` is what registries call it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from fastavro.schema import SchemaParseException, UnknownType

from schemas.generate import fingerprint
from schemas.released import Release, by_id, releases

COMPATIBILITY = "FULL_TRANSITIVE"
"""What `python -m schemas check` holds: every version reads every other."""

SUBJECT, VERSION, SCHEMA, INVALID = 40401, 40402, 40403, 42201


class NoSuchSchema(LookupError):
    """What is asked for is not among the released schemas."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def subject_of(release: Release) -> str:
    """By the topic's name, as all clients expect it where nothing else was agreed; keys are plain text."""
    return f"{release.name}-value"


@cache
def by_subject() -> dict[str, dict[int, Release]]:
    """The versions of every subject, in their order."""
    found: dict[str, dict[int, Release]] = {}
    for _, release in sorted(releases().items()):
        found.setdefault(subject_of(release), {})[release.version] = release
    return found


def versions(subject: str) -> dict[int, Release]:
    """
    Raises:
        NoSuchSchema.
    """
    if subject not in by_subject():
        raise NoSuchSchema(SUBJECT, f"Subject '{subject}' not found: subjects are TOPIC-value, as in /subjects")
    return by_subject()[subject]


def version(subject: str, wanted: str) -> Release:
    """A version by its number; `latest`, or -1, is the last one.

    Raises:
        NoSuchSchema.
    """
    known = versions(subject)
    number = str(max(known)) if wanted in ("latest", "-1") else wanted
    for release in known.values():
        if str(release.version) == number:
            return release
    raise NoSuchSchema(VERSION, f"Version {wanted} of '{subject}' not found: there are {_listed(sorted(known))}")


def of_id(schema_id: int) -> Release:
    """
    Raises:
        NoSuchSchema.
    """
    if (release := by_id().get(schema_id)) is None:
        raise NoSuchSchema(SCHEMA, f"Schema {schema_id} not found: no released version has this id")
    return release


def find(subject: str, schema: str) -> Release:
    """The version that has this layout.

    Raises:
        NoSuchSchema: none has it, or it is no schema.
    """
    known = versions(subject)
    try:
        layout = fingerprint(json.loads(schema))
    except (
        SchemaParseException,
        UnknownType,
        LookupError,
        TypeError,
        ValueError,
        AssertionError,
        RecursionError,
    ) as error:
        raise NoSuchSchema(INVALID, f"not a record's Avro schema: {type(error).__name__}: {error}") from error
    for release in known.values():
        if release.fingerprint == layout:
            return release
    raise NoSuchSchema(SCHEMA, f"Schema not found under '{subject}': `python -m schemas write` makes new versions")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
