"""`python -m schemas write | check`: keeps the files of avsc/ in step with the events, and every version readable."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from schemas.catalogue import CATALOGUE
from schemas.compat import differences, problems
from schemas.event import Event
from schemas.generate import Avro, generate
from schemas.released import AVSC, IDS, Release, file_of, load, read_ids

Events = Mapping[str, type[Event]]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m schemas", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    writing = verbs.add_parser("write", help="write the files of new versions, and give them ids")
    writing.add_argument("--unreleased", action="store_true", help="also replace versions that are on nobody's log yet")
    verbs.add_parser("check", help="say what differs from the events, and what older versions could not read")
    chosen = parser.parse_args(arguments)
    found = write(AVSC, CATALOGUE, unreleased=chosen.unreleased) if chosen.verb == "write" else check(AVSC, CATALOGUE)
    sys.stderr.write("\n".join(found or [f"{len(CATALOGUE)} events, all as in {AVSC.name}/"]) + "\n")
    return 1 if found else 0


def write(directory: Path, events: Events, *, unreleased: bool = False) -> list[str]:
    """Writes what is missing or differs in words only. Gives what it refused: a released layout is never replaced."""
    refused: list[str] = []
    for event in events.values():
        file, schema = file_of(directory, event.name, event.version), generate(event)
        changed = differences(_read(file), schema) if file.exists() else []
        if changed and not unreleased:
            refused.append(_drifted(event, changed))
        else:
            file.write_text(_pretty(schema), "utf-8")
            _give_id(directory, event)
    return refused


def check(directory: Path, events: Events) -> list[str]:
    """Everything that is wrong, one line each."""
    files = {(release.name, release.version): release for release in load(directory)}
    found = [line for event in events.values() for line in _check_event(event, files)]
    for name, version in files:
        if name not in events or version > events[name].version:
            found.append(f"{name} version {version} is in avsc/, but not in the code: what is on a log stays readable")
    ids = [release.id for release in files.values()]
    if len(set(ids)) < len(ids) or 0 in ids:
        found.append(f"{IDS}: a version has no id of its own: restore the file, or run `python -m schemas write`")
    return found


def _check_event(event: type[Event], files: Mapping[tuple[str, int], Release]) -> list[str]:
    versions = range(1, event.version + 1)
    absent = [v for v in versions if (event.name, v) not in files]
    if absent:
        return [f"{event.name} version {v} is not in avsc/: run `python -m schemas write`" for v in absent]
    schemas = [files[event.name, v].definition for v in versions]
    current = generate(event)
    if changed := differences(schemas[-1], current):
        return [_drifted(event, changed)]
    found = [f"{event.name}: {problem}" for problem in problems(schemas)]
    if schemas[-1] != current:
        found.append(f"{event.name} version {event.version}: its words have changed: run `python -m schemas write`")
    return found


def _drifted(event: type[Event], changed: list[str]) -> str:
    return (
        f"{event.name} version {event.version} has changed ({'; '.join(changed)}). What is on a log was written as "
        f"avsc/ says: set version={event.version + 1} in the class and run `python -m schemas write`. If nobody ever "
        "ran this version, `python -m schemas write --unreleased` replaces it."
    )


def _give_id(directory: Path, event: type[Event]) -> None:
    ids = read_ids(directory)
    versions = ids.setdefault(event.name, {})
    taken = (number for versions in ids.values() for number in versions.values())
    versions.setdefault(str(event.version), max(taken, default=0) + 1)
    (directory / IDS).write_text(json.dumps(ids, indent=2) + "\n", "utf-8")


def _read(file: Path) -> Avro:
    schema: Avro = json.loads(file.read_text("utf-8"))
    return schema


def _pretty(schema: Avro) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
