"""The files of avsc/ follow the events, and no version breaks another."""

import copy
import io
from datetime import datetime

import fastavro
import pytest
from pydantic import AwareDatetime, Field

from schemas import upcast
from schemas.__main__ import check, write
from schemas.avro import Unreleased, decode_body, encode
from schemas.catalogue import CATALOGUE
from schemas.compat import differences, problems
from schemas.event import CATALOGUE as REGISTER
from schemas.event import Count, Fact, Wire
from schemas.generate import Unwritable, fingerprint, generate
from schemas.released import AVSC, Release, load
from schemas.running import FunctionRetried
from schemas.transcription import TranscriptionCompleted

COMPLETED = generate(TranscriptionCompleted)


def made_up(version=1, fields=None):
    """An event that no other test sees: `fields` are (annotation, default) by name."""
    fields = fields or {"index": (Count, ...)}
    spaces = {"__annotations__": {k: v[0] for k, v in fields.items()}, "__module__": __name__, "__doc__": "Made up."}
    spaces |= {key: default for key, (_, default) in fields.items() if default is not ...}
    try:
        return type(Fact)("MadeUp", (Fact,), spaces, name="made.up", version=version)
    finally:
        REGISTER.pop("made.up", None)


def with_field(schema, field):
    changed = copy.deepcopy(schema)
    changed["fields"].append(field)
    return changed


def test_the_files_are_those_of_the_events():
    assert check(AVSC, CATALOGUE) == []


def test_ids_are_unique_so_that_no_event_is_read_as_another():
    ids = [release.id for release in load(AVSC)]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_fingerprints_stay_what_the_log_says_they_are():
    assert fingerprint(generate(CATALOGUE["transcription.started"])) == "fa00845449dc4e61"


def test_an_optional_field_may_be_added():
    assert problems([COMPLETED, with_field(COMPLETED, {"name": "x", "type": ["null", "long"], "default": None})]) == []


def test_a_required_field_is_refused_since_it_could_not_read_what_was_written():
    [found] = problems([COMPLETED, with_field(COMPLETED, {"name": "x", "type": "long"})])
    assert "version 2 cannot read what version 1 wrote" in found
    assert "x" in found


def test_removing_a_required_field_is_refused_since_a_worker_not_yet_updated_would_stop():
    changed = copy.deepcopy(COMPLETED)
    del changed["fields"][0]
    [found] = problems([COMPLETED, changed])
    assert "version 1 cannot read what version 2 writes" in found


def test_a_break_with_the_oldest_version_is_found_over_those_between():
    versions = [COMPLETED, with_field(COMPLETED, {"name": "x", "type": ["null", "long"], "default": None})]
    versions.append(with_field(COMPLETED, {"name": "x", "type": ["null", "string"], "default": None}))
    assert any("version 2" in found for found in problems(versions))
    first = with_field(COMPLETED, {"name": "x", "type": "long", "default": 0})
    assert any("version 1" in f for f in problems([first, COMPLETED, versions[2]]))


@pytest.mark.parametrize("event", ["function.retried", "embeddings.batch-reprocess"])
def test_a_moment_never_becomes_a_plain_number_however_deep_it_stands(event):
    schema = generate(CATALOGUE[event])
    plain = copy.deepcopy(schema)
    strip_logical_types(plain)
    with_more = with_field(plain, {"name": "x", "type": ["null", "long"], "default": None})
    for versions in ([schema, with_more], [with_more, schema]):
        assert any("logicalType" in found for found in problems(versions)), versions


def test_two_versions_of_one_layout_are_refused_since_records_could_not_tell_them_apart():
    [found] = problems([COMPLETED, copy.deepcopy(COMPLETED)])
    assert "layout" in found


def test_another_order_of_fields_is_another_layout():
    changed = {**COMPLETED, "fields": COMPLETED["fields"][::-1]}
    assert differences(COMPLETED, changed)


def test_an_event_that_grew_under_its_version_is_drift_with_the_field_and_the_remedy(tmp_path):
    assert write(tmp_path, {"made.up": made_up()}) == []
    changed = {"made.up": made_up(fields={"index": (Count, ...), "why": (str | None, None)})}
    [found] = check(tmp_path, changed)
    assert "why: absent -> null | string = null" in found
    assert "version=2" in found
    assert "breaks" not in found
    assert write(tmp_path, changed) == [found]
    assert write(tmp_path, changed, unreleased=True) == check(tmp_path, changed) == []


def test_a_new_version_keeps_the_old_file_and_its_id(tmp_path):
    write(tmp_path, {"made.up": made_up()})
    [first] = load(tmp_path)
    grown = {"made.up": made_up(2, {"index": (Count, ...), "why": (str | None, None)})}
    assert "not in avsc/" in check(tmp_path, grown)[0]
    assert write(tmp_path, grown) == check(tmp_path, grown) == []
    kept, added = load(tmp_path)
    assert (kept, added.id) == (first, first.id + 1)


BREAKS = {
    "renamed": ({"number": (Count, ...)}, "index: long -> absent; number: absent -> long"),
    "removed": ({}, "index: long -> absent"),
    "another type": ({"index": (str, ...)}, "index: long -> string"),
    "another logical type": ({"index": (AwareDatetime, ...)}, "index: long -> timestamp-micros"),
    "without a default": ({"index": (Count, ...), "why": (str, ...)}, "why: absent -> string"),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("fields", "seen"), BREAKS.values(), ids=BREAKS)
def test_what_breaks_is_refused_under_the_old_version_and_the_next_with_the_way_to_do_it_instead(
    tmp_path, version, fields, seen
):
    write(tmp_path, {"made.up": made_up(1, {"index": (Count, ...), "text": (str, ...)})})
    broken = {"made.up": made_up(version, {"text": (str, ...), **fields})}
    [found] = check(tmp_path, broken)
    assert seen in found
    assert "That breaks it: " in found
    assert "Instead: leave the old fields as they are" in found
    assert ("write --unreleased" in found) == (version == 1)
    assert write(tmp_path, broken) == [found]
    assert [release.version for release in load(tmp_path)] == [1]


def test_a_version_that_nobody_ran_may_be_replaced_and_may_still_not_break_those_before(tmp_path):
    write(tmp_path, {"made.up": made_up()})
    write(tmp_path, {"made.up": made_up(2, {"index": (Count, ...), "why": (str | None, None)})})
    other = {"made.up": made_up(2, {"index": (Count, ...), "how": (str | None, None)})}
    assert "write --unreleased" in check(tmp_path, other)[0]
    assert write(tmp_path, other, unreleased=True) == check(tmp_path, other) == []
    broken = {"made.up": made_up(2, {"why": (str | None, None)})}
    assert "write --unreleased" not in check(tmp_path, broken)[0]
    assert "That breaks it: " in write(tmp_path, broken, unreleased=True)[0]


def test_an_event_that_left_the_code_is_missed(tmp_path):
    write(tmp_path, {"made.up": made_up()})
    assert "stays readable" in check(tmp_path, {})[0]


def test_changed_words_are_no_new_version(tmp_path):
    described = made_up(fields={"index": (Count, Field(description="old"))})
    write(tmp_path, {"made.up": described})
    events = {"made.up": made_up(fields={"index": (Count, Field(description="new"))})}
    assert "words" in check(tmp_path, events)[0]
    assert write(tmp_path, events) == check(tmp_path, events) == []


@pytest.mark.parametrize(("hint", "default"), [(dict, ...), (int | str, ...), (str | None, "x"), (set[str], ...)])
def test_a_field_that_avro_cannot_carry_is_named(hint, default):
    with pytest.raises(Unwritable, match=r"MadeUp\.odd"):
        generate(made_up(fields={"odd": (hint, default)}))


def test_a_time_without_a_zone_has_no_schema_since_it_is_another_moment_elsewhere():
    with pytest.raises(Unwritable, match="datetime"):
        generate(made_up(fields={"at": (datetime, ...)}))
    assert generate(FunctionRetried)["fields"][4]["type"]["logicalType"] == "timestamp-micros"


def test_a_part_is_written_out_once_and_then_named():
    class Part(Wire):
        """A part."""

        text: str

    fields = generate(made_up(fields={"a": (Part, ...), "b": (list[Part] | None, None)}))["fields"]
    assert fields[0]["type"]["name"] == "Part"
    assert fields[1]["type"] == ["null", {"type": "array", "items": "Part"}]


def test_an_event_that_avsc_does_not_know_is_not_written_since_nobody_could_read_it():
    event = made_up(fields={"text": (str, ...)})(text="x")
    with pytest.raises(Unreleased, match="python -m schemas"):
        encode(event)


def test_an_old_shape_is_brought_to_the_new_one_step_by_step(monkeypatch):
    old, new = made_up(1, {"seconds": (int, ...)}), made_up(3, {"millis": (int, ...), "why": (str, ...)})
    release = known(monkeypatch, old)
    monkeypatch.setattr(upcast, "STEPS", {})
    upcast.upcasts("made.up", 1)(lambda was: {"millis": was["seconds"] * 1000})
    upcast.upcasts("made.up", 2)(lambda was: {**was, "why": "unknown"})
    out = io.BytesIO()
    fastavro.schemaless_writer(out, release, {"seconds": 4})
    assert decode_body(new, out.getvalue(), release) == new(millis=4000, why="unknown")


def test_two_steps_from_one_version_are_refused(monkeypatch):
    monkeypatch.setattr(upcast, "STEPS", {})
    upcast.upcasts("made.up", 1)(dict)
    with pytest.raises(TypeError, match="two steps"):
        upcast.upcasts("made.up", 1)(dict)


def known(monkeypatch, event):
    """Has the made-up event's schema known, as if its file were in avsc/."""
    release = Release(event.name, event.version, 999, generate(event))
    monkeypatch.setattr("schemas.avro.by_fingerprint", lambda: {release.fingerprint: release})
    return release.schema


def strip_logical_types(node):
    if isinstance(node, dict):
        node.pop("logicalType", None)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        strip_logical_types(child)
