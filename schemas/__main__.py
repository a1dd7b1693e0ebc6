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
Files = Mapping[tuple[str, int], Release]

INSTEAD = (
    "Instead: leave the old fields as they are and go on writing them. Add what is new, what has a new name or "
    "another type, as a field of its own with a default (`x: X | None = None`) in the next version; a step of "
    "schemas/upcast.py can make its value out of an old event. What means something else is another event, with a name "
    "of its own. "
    "docs/how-to/change-an-event.md shows it."
)
UNLESS = "If nobody ever ran this version, `python -m schemas write --unreleased` replaces it."


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
    """Writes what is missing or differs in words only. Gives what it refused: a released layout is never replaced, and
    one that breaks an older never written."""
    files = _files(directory)
    refused: list[str] = []
    for event in events.values():
        if wrong := _wrong(event, files, unreleased=unreleased):
            refused.append(wrong)
        else:
            file_of(directory, event.name, event.version).write_text(_pretty(generate(event)), "utf-8")
            _give_id(directory, event)
    return refused


def check(directory: Path, events: Events) -> list[str]:
    """Everything that is wrong, one line each."""
    files = _files(directory)
    found = [line for event in events.values() for line in _check_event(event, files)]
    for name, version in files:
        if name not in events or version > events[name].version:
            found.append(f"{name} version {version} is in avsc/, but not in the code: what is on a log stays readable")
    ids = [release.id for release in files.values()]
    if len(set(ids)) < len(ids) or 0 in ids:
        found.append(f"{IDS}: a version has no id of its own: restore the file, or run `python -m schemas write`")
    return found


def _check_event(event: type[Event], files: Files) -> list[str]:
    if wrong := _wrong(event, files):
        return [wrong]
    if absent := [v for v in range(1, event.version + 1) if (event.name, v) not in files]:
        return [f"{event.name} version {v} is not in avsc/: run `python -m schemas write`" for v in absent]
    if files[event.name, event.version].definition != generate(event):
        return [f"{event.name} version {event.version}: its words have changed: run `python -m schemas write`"]
    return []


def _wrong(event: type[Event], files: Files, *, unreleased: bool = False) -> str:
    """Why the class as it is now cannot stand beside what was released, and what to do; nothing where it can."""
    current, own = generate(event), files.get((event.name, event.version))
    older = [files[event.name, v].definition for v in range(1, event.version) if (event.name, v) in files]
    drifted = own is not None and not unreleased and bool(differences(own.definition, current))
    released = [*older, own.definition] if own and drifted else older
    broken = problems([*released, current])
    if not drifted and not broken:
        return ""
    changed = f"{event.name} version {event.version} has changed ({'; '.join(differences(released[-1], current))})."
    remedy = f"That breaks it: {'; '.join(broken)}. {INSTEAD}" if broken else _next(event.version + 1)
    return " ".join([changed, remedy, *([UNLESS] if drifted and not problems([*older, current]) else [])])


def _next(version: int) -> str:
    return (
        f"What is on a log was written as avsc/ says: set version={version} in the class and run "
        "`python -m schemas write`."
    )


def _files(directory: Path) -> Files:
    return {(release.name, release.version): release for release in load(directory)}


def _give_id(directory: Path, event: type[Event]) -> None:
    ids = read_ids(directory)
    versions = ids.setdefault(event.name, {})
    taken = (number for versions in ids.values() for number in versions.values())
    versions.setdefault(str(event.version), max(taken, default=0) + 1)
    (directory / IDS).write_text(json.dumps(ids, indent=2) + "\n", "utf-8")


def _pretty(schema: Avro) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
