"""Webhooks: what receivers verify, whom the settings name, and what is told."""

from __future__ import annotations

import base64
import json
import re
import time
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError
from typer.testing import CliRunner

from agents.send_webhooks import OF_A_VIDEO, RETRY, ends_a_video, send_webhooks
from chronos.cli.root import app
from chronos.config import Settings
from chronos.fitting import fitted
from chronos.webhooks import Endpoint, headers, key_of, message_id, new_secret, shape
from projections import videos
from schemas.embedding import EmbeddingsCompleted
from schemas.running import Error, FailedEvent, FunctionFailed
from schemas.webhook import Ending, Kind, Message
from streams.redaction import redact
from tests.pages import snippets

ME = {"video_id": "v", "creator_id": "ada"}
SAID = Message(
    type="video.completed",
    timestamp=datetime(2026, 11, 26, 3, tzinfo=UTC),
    data=Ending(**ME, run_id="019a0000-0000-7000-8000-000000000000", chunks=3),
)
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


def endpoint(url: str = "https://example.org/hook", **more: Any) -> Endpoint:
    return Endpoint(**{"url": url, "secret": SECRET, **more})


def failed(function: str = "transcribe-video", **more: Any) -> FunctionFailed:
    error = Error(type="ObjectMissing", message="no", retryable=False)
    at = FailedEvent(topic="transcribe.requested", partition=0, offset=0)
    return FunctionFailed(**{**ME, "function": function, "attempts": 1, "error": error, "event": at, **more})


def completed(**more: Any) -> EmbeddingsCompleted:
    return EmbeddingsCompleted(**{**ME, "chunk_set_id": "s", "space": "m/3", "chunks": 3, **more})


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(codec="utf-8")))
def test_what_we_sign_the_reference_library_verifies(key: bytes, text: str) -> None:
    body = json.dumps({"text": text}, ensure_ascii=False).encode()
    signed = headers([key], "msg_1", int(time.time()), body)
    secret = f"whsec_{base64.b64encode(key).decode()}"
    assert Webhook(secret).verify(body, signed) == {"text": text}
    with pytest.raises(WebhookVerificationError, match="No matching"):
        Webhook(secret).verify(body + b" ", signed)


def test_while_a_secret_is_being_replaced_the_old_and_the_new_one_verify() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    signed = headers(endpoint(secret=[old, new]).keys(), "msg_1", int(time.time()), SAID.body())
    for secret in (old, new):
        assert Webhook(secret).verify(SAID.body(), signed)["data"]["videoId"] == "v"
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(SAID.body(), signed)


def test_a_message_is_what_standard_webhooks_says_and_the_same_each_time() -> None:
    assert json.loads(SAID.body()) == {
        "type": "video.completed",
        "timestamp": "2026-11-26T03:00:00Z",
        "data": {"videoId": "v", "creatorId": "ada", "runId": SAID.data.run_id, "chunks": 3},
    }
    assert message_id("e", "https://a") == message_id("e", "https://a")
    assert len({message_id(event, at) for event in ("e", "f") for at in ("https://a", "https://b")}) == 4


def test_what_ends_a_video_in_the_tables_is_told_and_nothing_else() -> None:
    assert set(OF_A_VIDEO) == set(videos.FUNCTIONS)
    assert ends_a_video(completed())
    assert not ends_a_video(completed(left=1))  # another space of the same run is still to come
    assert {name for name in (*OF_A_VIDEO, "send-webhooks", "delete-video") if ends_a_video(failed(name))} == set(
        OF_A_VIDEO
    )
    assert not ends_a_video(failed(video_id=None))


def test_attempts_go_on_for_most_of_a_day_and_begin_soon() -> None:
    waits = [RETRY.wait(attempt) for attempt in range(1, RETRY.attempts)]
    assert sum(waits[:5]) < 60
    assert 20 * 3600 < sum(waits) < 24 * 3600


@pytest.mark.parametrize(
    ("settings", "event", "wanted"),
    [
        ([], completed(), False),
        ([{}], completed(), True),
        ([{}], failed(), True),
        ([{}], failed("send-webhooks"), False),
        ([{"creator": "bob"}], completed(), False),
        ([{"creator": "bob"}, {"url": "https://b.test/", "creator": "ada"}], completed(), True),
        ([{"events": ["video.failed"]}], completed(), False),
        ([{"events": ["video.failed"]}], failed(), True),
    ],
)
def test_what_no_receiver_wants_is_acked_unseen(
    settings: list[dict[str, Any]], event: EmbeddingsCompleted | FunctionFailed, wanted: bool
) -> None:
    chosen = Settings(webhooks=[endpoint(**one) for one in settings])
    assert fitted(chosen, send_webhooks).accepts(event) == wanted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('[{"url": "https://a.test/"}]', "secret"),
        (f'[{{"url": "a.test", "secret": "{SECRET}"}}]', "https://host/path"),
        (f'[{{"url": "https://ada:pw@a.test", "secret": "{SECRET}"}}]', "user's name"),
        (f'[{{"url": "https://a.test:0/", "secret": "{SECRET}"}}]', "port"),
        (f'[{{"url": "https://a.test:99999/", "secret": "{SECRET}"}}]', "[Pp]ort"),
        (f'[{{"url": "http://a.test/", "secret": "{SECRET}"}}]', "CHRONOS_ALLOW_PRIVATE_ADDRESSES"),
        ('[{"url": "https://a.test/", "secret": "whsec_c2hvcnQ="}]', "chronos key --webhook"),
        ('[{"url": "https://a.test/", "secret": []}]', "secret"),
        (f'[{{"url": "https://a.test/", "secret": "{SECRET[6:]}"}}]', "whsec_"),
        (f'[{{"url": "https://a.test/", "secret": "{SECRET}", "events": ["video.done"]}}]', "video.completed"),
        (f'[{{"url": "https://a.test/", "secret": "{SECRET}", "creater": "ada"}}]', "creater"),
        (f'[{{"url": "https://a.test/?1", "secret": "{SECRET}"}}, {{"url": "https://a.test/", "secret": "{SECRET}"}}]',
         "listed twice"),
        (f'{{"url": "https://a.test/", "secret": "{SECRET}"}}', "webhooks"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_refused_at_the_start_and_shows_no_secret(
    given: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHRONOS_WEBHOOKS", given)
    refused = CliRunner().invoke(app, ["worker", "--function", "send-webhooks"])
    assert refused.exit_code == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert re.search(said, refused.stderr)
    assert SECRET[6:] not in refused.stderr


def test_the_settings_take_one_secret_or_several_and_hide_them(monkeypatch: pytest.MonkeyPatch) -> None:
    other = new_secret()
    given = [{"url": "http://10.0.0.7/hook?token=t", "secret": [SECRET, other], "creator": "ada"}]
    monkeypatch.setenv("CHRONOS_WEBHOOKS", json.dumps(given))
    monkeypatch.setenv("CHRONOS_ALLOW_PRIVATE_ADDRESSES", "true")
    settings = Settings()
    [found] = settings.webhooks
    assert (found.target, found.events) == ("http://10.0.0.7/hook", get_args(Kind))
    assert found.keys() == [key_of(SECRET), key_of(other)]
    assert SECRET not in repr(settings)
    assert SECRET not in redact(f"it says {SECRET}")


def test_new_secrets_are_no_new_receivers_and_a_new_receiver_is_told_by_a_rewind() -> None:
    assert shape([endpoint()]) == shape([endpoint(secret=[SECRET, new_secret()])])
    assert shape([endpoint()]) != shape([endpoint(), endpoint("https://b.test/")])
    assert shape([endpoint()]) != shape([endpoint(creator="ada")])


def test_the_pages_setting_is_taken_and_its_receiver_takes_what_we_send(monkeypatch: pytest.MonkeyPatch) -> None:
    [setting], [program], [example] = (snippets("webhooks", kind) for kind in ("env", "python", "json"))
    name, _, value = setting.strip().partition("=")
    monkeypatch.setenv(name, value)
    [receiver] = Settings().webhooks
    [secret] = receiver.secret
    page: dict[str, Any] = {}
    exec(program, page)
    body = Message.model_validate_json(example).body()
    signed = headers(receiver.keys(), "msg_1", int(time.time()), body)
    assert page["received"](body, signed, secret.get_secret_value()) == json.loads(example)


def test_a_secret_is_made_by_a_command() -> None:
    said = CliRunner().invoke(app, ["key", "--webhook", "--json"])
    assert len(key_of(json.loads(said.stdout)["secret"])) == 32
