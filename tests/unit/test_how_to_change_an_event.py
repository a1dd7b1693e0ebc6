"""docs/how-to/change-an-event.md, followed in a copy of the program; and what a developer sees who breaks an event."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import Copy, lines

SAID = "from schemas.avro import decode; from schemas.catalogue import CATALOGUE; import sys, pathlib; print(decode("
SAID += "CATALOGUE['transcription.completed'], pathlib.Path(sys.argv[1]).read_bytes()).words)"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy.make(tmp_path / "copy")


def test_an_event_gets_a_field_and_old_bytes_tell_it_too(copy: Copy):
    copy.follow("change-an-event")
    for words in lines("change-an-event"):
        assert words[0] == "python"
        done = copy.run(*words[1:])
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    for version in (1, 2):
        said = copy.run("-c", SAID, f"tests/golden/transcription.completed.v{version}.bin")
        assert said.stdout == "3\n", said.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    attempt: Count", "    attempts: Count"),
        ("    attempt: Count\n", ""),
        ("    attempt: Count", "    attempt: str"),
        ("    attempt: Count", "    attempt: Count\n    why: str"),
    ],
    ids=["renamed", "removed", "another type", "without a default"],
)
def test_a_change_that_breaks_what_is_on_the_log_is_refused_with_the_way_to_do_it_instead(
    copy: Copy, old: str, new: str
):
    copy.replace("schemas/transcription.py", old, new)
    for verb in ("check", "write"):
        done = copy.run("-m", "schemas", verb)
        [line] = done.stderr.splitlines()
        assert done.returncode == 1
        assert line.startswith("transcription.started version 1 has changed (")
        assert "docs/how-to/change-an-event.md shows it" in line
