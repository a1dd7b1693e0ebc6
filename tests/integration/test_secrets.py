"""Keys and tokens stay inside: nothing that a failing run says shows one, though servers and errors repeat them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agents.ports import Segment
from chronos import app, working
from chronos.adapters.sound import RATE
from chronos.config import Settings
from streams.retry import Fault, Retry, judge
from tests.web import Request, Site, says

KEY = "house-key-of-no-known-form-4711"
OTHER = "sk-proj-PLANTED0123456789abcdefghij"
TOKEN = "PLANTED-token-0815"
PASSWORD = "PLANTED-pass-word"
SECRETS = (KEY, OTHER, TOKEN, PASSWORD)


async def said(settings: Settings, segment: Segment) -> str:
    """What goes on the log of a run that cannot buy its words."""
    with pytest.raises(Fault) as fault:
        await working.ModelOfEach(settings).of("ada")([segment])
    return repr(judge(fault.value, 1, Retry(attempts=1)))


def echoing(status: str) -> Callable[[Request, asyncio.StreamWriter], Awaitable[None]]:
    """A provider that repeats the key that it was given, and another one, in its answer."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        told = {"error": {"message": f"wrong: {request.headers['authorization']}, not {OTHER}", "code": "x"}}
        await says(status, json.dumps(told).encode(), content_type="application/json")(request, writer)

    return answer


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "429 Too Many Requests", "500 Oops"])
async def test_a_provider_that_repeats_the_key_does_not_bring_it_onto_the_log(tmp_path: Path, status: str) -> None:
    (tmp_path / "sound.pcm").write_bytes(b"\1\0" * RATE)
    async with Site() as site:
        site.answers["/v1/audio/transcriptions"] = echoing(status)
        settings = Settings(
            home=tmp_path, openai_api_key=KEY, openai_base_url=site.url("/v1"), speech_model="whisper-1", ai_timeout=5
        )
        told = await said(settings, Segment("a" * 64, 0, 0.0, 1.0, None, tmp_path / "sound.pcm"))
        assert site.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "provider" in told
    assert not [secret for secret in SECRETS if secret in told]


@pytest.mark.parametrize(
    "path",
    [
        f"https://files.example/a.mp4?X-Amz-Signature={TOKEN}&X-Amz-Credential={OTHER}",
        f"https://anna:{PASSWORD}@files.example/a.mp4",
        f"https://{OTHER}@files.example/a.mp4",
        f"s3://anna:{PASSWORD}@bucket/a.mp4?sig={TOKEN}",
        f"anna/a.mp4?token={TOKEN}",
        f"../a.mp4?signature={TOKEN}",
        f"https://files.example/a.mp4#access_token={TOKEN}\n",
    ],
)
async def test_a_signed_path_that_cannot_be_fetched_is_told_without_its_signature(tmp_path: Path, path: str) -> None:
    for hosts in ((), ("files.example",)):
        store = app.store(Settings(home=tmp_path, https_hosts=hosts))
        with pytest.raises(Exception) as refused:  # noqa: PT011  # of whatever kind: its text is looked at
            async with asyncio.timeout(30):
                await store.fetch(path, tmp_path)
        told = repr(judge(refused.value, 9, Retry(attempts=1)))
        assert not [secret for secret in SECRETS if secret in told]


ENDING = [("doctor", "--json"), ("doctor",), ("status", "a-video"), ("--debug", "verify")]
WAITING = [
    ("--debug", "worker", "--projection"),
    ("worker", "--function", "transcribe-video"),
    ("send", "transcribe.requested", '{"videoId": "v", "creatorId": "c", "storagePath": "p"}'),
]


@pytest.mark.long
def test_no_command_shows_a_secret_of_its_settings_when_the_world_is_away(tmp_path: Path) -> None:
    environment = os.environ | {
        "CHRONOS_HOME": str(tmp_path),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": f"postgresql://chronos:{PASSWORD}@127.0.0.1:1/chronos",
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"http://anna:{TOKEN}@127.0.0.1:1/v1",
        "CHRONOS_STORAGE_URL": f"file://{TOKEN}@host/store",
    }
    waiting = [started(command, environment) for command in WAITING]
    told = {command: started(command, environment).communicate(timeout=120)[0] for command in ENDING}
    assert all(told.values())
    for process in waiting:  # for a broker: what they have said by now counts
        process.kill()
        told["waiting",] = told.get(("waiting",), "") + process.communicate()[0]
    assert not [(command, secret) for command, said in told.items() for secret in SECRETS if secret in said]


def started(command: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "chronos", *command]
    return subprocess.Popen(program, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True)
