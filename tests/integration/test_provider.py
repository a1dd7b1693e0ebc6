"""The tests' paid provider can be told to fail: each fault looks to the openai client as it would from a real one."""

from __future__ import annotations

import io
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.provider import Provider

ROOT = Path(__file__).parents[2]
SPEECH, EMBEDDER = "whisper-1", "text-embedding-3-small"


def silence() -> bytes:
    """A second of it, as a wave file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(32_000))
    return file.getvalue()


AUDIO = silence()


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with Provider() as started:
        yield started


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.clear()
    return running


@pytest.fixture
async def client(provider: Provider) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0) as asking:
        yield asking


async def test_a_refusal_is_seen_as_often_as_it_was_asked_for(client: AsyncOpenAI, provider: Provider) -> None:
    provider.fail(next=2, status=429, retry_after=1.5)
    provider.fail(status=401, kind="audio")
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as refused:
            await client.embeddings.create(model=EMBEDDER, input="one")
        assert refused.value.response.headers["retry-after"] == "1.5"
    await client.embeddings.create(model=EMBEDDER, input="one")
    with pytest.raises(openai.AuthenticationError):
        await client.audio.transcriptions.create(model=SPEECH, file=("a.wav", AUDIO))
    assert [call.status for call in provider.calls()] == [429, 429, 200, 401]
    assert len(provider.bill()) == 1


async def test_an_answer_that_is_cut_was_paid_for(client: AsyncOpenAI, provider: Provider) -> None:
    provider.cut()
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        await client.embeddings.create(model=EMBEDDER, input="one")
    await client.embeddings.create(model=EMBEDDER, input="one")
    assert provider.bought_twice() == [sha256(b"one").hexdigest()]


async def test_a_call_that_hangs_ends_with_its_caller(client: AsyncOpenAI, provider: Provider) -> None:
    provider.hang()
    with pytest.raises(openai.APITimeoutError):
        await client.embeddings.create(model=EMBEDDER, input="one", timeout=0.2)
    (call,) = await provider.settled()
    assert call.status is None
    assert call.charge is None


async def test_nonsense_comes_with_a_200(client: AsyncOpenAI, provider: Provider) -> None:
    provider.nonsense(kind="audio", body="<html>")
    answer = await client.audio.transcriptions.with_raw_response.create(model=SPEECH, file=("a.wav", AUDIO))
    assert (answer.status_code, answer.text) == (200, "<html>")


async def test_what_is_heard_can_be_told(client: AsyncOpenAI, provider: Provider) -> None:
    provider.say("ask not what your country can do for you")
    heard = await client.audio.transcriptions.create(model=SPEECH, file=("a.wav", AUDIO))
    assert heard.text == "ask not what your country can do for you"


def test_the_double_takes_orders_as_a_process() -> None:
    process = subprocess.Popen([sys.executable, "-m", "tests.provider"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        root = url.removesuffix("/v1")
        httpx.post(f"{root}/control", json={"do": "fail", "status": 503}).raise_for_status()
        asked = {"model": "text-embedding-3-small", "input": "one"}
        assert httpx.post(f"{url}/embeddings", json=asked).status_code == 503
        assert len(httpx.post(f"{url}/embeddings", json=asked).json()["data"][0]["embedding"]) == 1536
        assert [call["status"] for call in httpx.get(f"{root}/calls").json()] == [503, 200]
        assert httpx.post(f"{root}/control", json={"do": "wait"}).status_code == 400
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
