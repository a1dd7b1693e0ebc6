"""A key that was shown once has to be replaced: what looks like one, and what is known to be one, is shown nowhere."""

from __future__ import annotations

import io
import json
import logging
import sys
import time

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from chronos import logs
from chronos.cli.errors import explain
from chronos.cli.state import Failed
from chronos.config import Settings
from streams.deadletter import dead_letter
from streams.record import Record
from streams.redaction import keep_secret, redact, without_forms
from streams.retry import Dead, Refused, Retry, judge

PLANTED = "PLANTED-0123456789abcdef"

TEXTS = [
    f"https://host.example/a.mp4?X-Amz-Signature={PLANTED}&x=1",
    f"cannot read 'https://host.example/a.mp4?{PLANTED}'",
    f"s3://bucket/key?sig={PLANTED}",
    f"https://host/cb#access_token={PLANTED}",
    f"anna/a.mp4?token={PLANTED}",
    f"anna/a.mp4?a=b&Signature={PLANTED}",
    f"postgresql://chronos:{PLANTED}@db.example:5432/chronos",
    f"postgres://u:{PLANTED}/x@db/chronos",
    f"https://{PLANTED}@host/path",
    f"redis://:{PLANTED}@host",
    f"Authorization: Bearer {PLANTED}",
    f"authorization='Basic {PLANTED}'",
    f"{{'Authorization': 'Bearer {PLANTED}'}}",
    f'{{"api_key": "{PLANTED}"}}',
    f"OPENAI_API_KEY={PLANTED}",
    f"api-key: {PLANTED}",
    f"password={PLANTED} host=db",
    f"SUPABASE_SERVICE_ROLE_KEY secret_key={PLANTED}",
    f"Incorrect API key provided: sk-{PLANTED}",
    f"sk-proj-{PLANTED}",
    f"eyJhbGciOiJIUzI1NiJ9.{PLANTED}.{PLANTED}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_has_the_form_of_a_secret_is_not_shown(text: str) -> None:
    shown = without_forms(text)
    assert PLANTED not in shown
    assert "***" in shown


@pytest.mark.parametrize("key", ["AKIA" + "Z" * 16, "AIza" + "y" * 35, "ghp_" + "a" * 36, "xoxb-1234567890-abc"])
def test_keys_of_known_makers_are_recognised(key: str) -> None:
    assert key not in redact(f"denied for {key}.")


@pytest.mark.parametrize(
    "text",
    [
        "there is no object 'anna/lecture one.mp4' in the store: upload it first",
        "the media file cannot be read: moov atom not found",
        "no retries left after 3 attempts; key of partition 3 is 'anna'",
        "https://host.example/a.mp4 was cut off: 5 bytes of 9",
        "postgresql://postgres@localhost:5432/chronos is away",
        "set OPENAI_API_KEY to one that may use it",
        "text-embedding-3-small used 512 tokens: 3 of them new",
        "task-force, ask-me-anything, a desk-top computer",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_a_secret_that_is_known_is_not_shown_whatever_its_form() -> None:
    keep_secret("wörd/wide open", "abc", None, "")
    assert redact("it is wörd/wide open, or w%C3%B6rd%2Fwide%20open, or w%C3%B6rd%2Fwide+open") == (
        "it is ***, or ***, or ***"
    )
    assert redact("abc") == "abc"


def test_settings_make_their_secrets_known() -> None:
    Settings(
        openai_api_key="plain-words-of-a-key",
        database_url="postgresql://me:p%40ss-word-1@db/chronos",
        openai_base_url="http://me:proxy-word-2@whisper/v1",
        storage_url="s3://id:store-word-3@bucket",
    )
    shown = redact("plain-words-of-a-key p%40ss-word-1 p@ss-word-1 proxy-word-2 store-word-3 me")
    assert shown == "*** *** *** *** *** me"


def test_a_password_that_is_a_name_as_well_is_not_cut_out_of_every_text() -> None:
    Settings(database_url="postgresql://chronos:chronos@postgres/chronos", storage_url="http://[broken")
    assert redact("chronos and postgres") == "chronos and postgres"


def test_an_error_goes_on_the_log_without_its_secrets() -> None:
    for error in (Refused(f"no https://host/a?sig={PLANTED}"), ValueError(f"password={PLANTED}"), KeyError(PLANTED)):
        if isinstance(error, KeyError):
            keep_secret(PLANTED)
        verdict = judge(error, 3, Retry(attempts=3))
        assert isinstance(verdict, Dead)
        assert PLANTED not in verdict.problem.message


def test_a_dead_letter_and_a_line_of_the_command_say_it_without_secrets() -> None:
    letter = dead_letter(Record("t", 0, 0, 0, None, b"x"), "g", ValueError(f"not JSON: token={PLANTED}"))
    assert PLANTED not in repr(letter)
    assert PLANTED not in (explain(Failed(f"cannot send to https://host/?key={PLANTED}")) or "")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What goes to stderr, with logging as a worker has it."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, root.handlers = root.handlers, []
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up()
    yield stream
    root.handlers = handlers
    structlog.configure(**kept)


def test_no_log_line_shows_a_secret_not_even_its_trace_or_a_librarys(written: io.StringIO) -> None:
    log = structlog.get_logger()
    try:
        raise ValueError(f"https://host/?sig={PLANTED}")
    except ValueError as error:
        log.exception("broken", api_key=PLANTED, deep={"list": [{"token": PLANTED}, f"Bearer {PLANTED}"]}, error=error)
        logging.getLogger("aiokafka").exception("sasl_plain password=%s", PLANTED)
    assert PLANTED not in written.getvalue()
    line = json.loads(written.getvalue().splitlines()[0])
    assert "Traceback" in line["exception"]
    assert line["deep"] == {"list": [{"token": "***"}, "Bearer ***"]}


def test_the_last_trace_of_a_program_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError(f"password={PLANTED}")
    except RuntimeError as error:
        logs.last_words(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    assert PLANTED not in said


@given(st.text(), st.text(alphabet="abcdef0123456789", min_size=20), st.text())
def test_a_signed_link_is_hidden_in_any_surroundings(before: str, secret: str, after: str) -> None:
    assert secret not in redact(f"{before} https://host/a?sig={secret} {after}").replace(before, "").replace(after, "")


@given(st.text(alphabet="sk-:/@?&=#'\"{}tokenpassword .https", max_size=300))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert without_forms(without_forms(text)) == without_forms(text)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet='sk-:/@?&=#"tokenpw .h', min_size=1, max_size=12))
def test_no_text_takes_long_to_look_through(piece: str) -> None:
    began = time.perf_counter()
    redact(piece * (100_000 // len(piece)))
    assert time.perf_counter() - began < 2.0
