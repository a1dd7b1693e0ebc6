"""The schemas that were ever released: the files of avsc/, and the ids under which the wire knows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from schemas.generate import Avro, fingerprint, parse

AVSC = Path(__file__).parent / "avsc"
IDS = "ids.json"


@dataclass(frozen=True)
class Release:
    """One version of one event, as it was written to avsc/. `name` is the event's wire name."""

    name: str
    version: int
    id: int
    definition: Avro

    @cached_property
    def schema(self) -> Avro:
        """The definition, parsed for reading."""
        return parse(self.definition)

    @cached_property
    def fingerprint(self) -> str:
        """What `ce_dataschema` says."""
        return fingerprint(self.schema)


@cache
def releases() -> dict[tuple[str, int], Release]:
    """All of them, by wire name and version. Read once."""
    return {(release.name, release.version): release for release in load(AVSC)}


@cache
def by_fingerprint() -> dict[str, Release]:
    return {release.fingerprint: release for release in releases().values()}


@cache
def by_id() -> dict[int, Release]:
    return {release.id: release for release in releases().values()}


def load(directory: Path) -> Iterator[Release]:
    """What the directory holds, by name and version; id 0 for a file that has none yet."""
    ids = read_ids(directory)
    for file in sorted(directory.glob("*.v*.avsc")):
        name, _, version = file.name.removesuffix(".avsc").rpartition(".v")
        yield Release(name, int(version), ids.get(name, {}).get(version, 0), json.loads(file.read_text("utf-8")))


def read_ids(directory: Path) -> dict[str, dict[str, int]]:
    """Wire name -> version -> id. JSON's keys are text, so versions are here."""
    file = directory / IDS
    ids: dict[str, dict[str, int]] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return ids


def file_of(directory: Path, name: str, version: int) -> Path:
    return directory / f"{name}.v{version}.avsc"
