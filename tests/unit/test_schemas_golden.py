"""What was written to a log once can be read for ever."""

import json

import pytest

from schemas.avro import decode
from schemas.catalogue import CATALOGUE
from tests.golden.examples import EXAMPLES
from tests.golden.make import GOLDEN, readable

WIRES = sorted(GOLDEN.glob("*.bin"), key=lambda file: file.name)


@pytest.mark.parametrize("wire", WIRES, ids=lambda file: file.name)
def test_bytes_of_an_old_version_are_still_read(wire):
    name, _, _ = wire.stem.rpartition(".v")
    event = decode(CATALOGUE[name], wire.read_bytes())
    assert holds(readable(event), json.loads(wire.with_suffix(".json").read_text("utf-8")))


def test_every_version_of_every_event_has_golden_bytes():
    versions = {
        f"{name}.v{version}.bin" for name, event in CATALOGUE.items() for version in range(1, event.version + 1)
    }
    missing = versions - {file.name for file in WIRES}
    assert not missing, "add an example to tests/golden/examples.py, and run `python -m tests.golden.make`"


def test_the_examples_leave_no_field_empty():
    for event in EXAMPLES:
        assert None not in leaves(readable(event)), event.name


def holds(now, then):
    """Everything that was there then is there now; fields that came later may be there too."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(key in now and holds(now[key], value) for key, value in then.items())
    if isinstance(then, list):
        return len(now) == len(then) and all(holds(a, b) for a, b in zip(now, then, strict=True))
    return now == then


def leaves(value):
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return [leaf for part in parts for leaf in leaves(part)]
    return [value]
