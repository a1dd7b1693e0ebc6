"""The local AI and the tests' paid provider, through the openai client: one contract for both, then each alone."""

from __future__ import annotations

import difflib
import io
import json
import re
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
from openai import AsyncOpenAI

from chronos.devstack.lectures import Lecture, Script, make_lectures, scripts
from chronos.devstack.lectures.script import Slide
from chronos.devstack.local_ai.bill import Charge
from tests.provider import Provider

ROOT = Path(__file__).parents[2]
SPEECH = ROOT.parent / "shared" / "data" / "speech"

SAID = "A log is simply a list of things that happened."


@dataclass
class Server:
    """A running server, real or double, and what to ask it for."""

    client: AsyncOpenAI
    root: str
    speech: str = "whisper-tiny.en"
    embedder: str = "multilingual-e5-small"

    def bill(self) -> list[Charge]:
        return [Charge.read(line) for line in httpx.get(f"{self.root}/bill").json()]


@pytest.fixture(scope="module")
def local_ai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a local AI in a process of its own; it must end by itself when it is asked to."""
    home = tmp_path_factory.mktemp("local-ai")
    ready = home / "ready.json"
    command = [sys.executable, "-m", "chronos.devstack.local_ai", "--bill", str(home / "bill.jsonl")]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None, "the local AI ended"
            assert time.monotonic() < deadline, "the local AI did not start"
            time.sleep(0.02)
        yield json.loads(ready.read_text())["url"].removesuffix("/v1")
        process.terminate()
        process.wait(10)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
async def real(local_ai: str) -> AsyncIterator[Server]:
    async with AsyncOpenAI(base_url=f"{local_ai}/v1", api_key="none", max_retries=0) as client:
        yield Server(client, local_ai)


@pytest.fixture
async def double(provider: Provider) -> AsyncIterator[Server]:
    provider.clear()
    async with AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0) as client:
        yield Server(client, provider.base_url.removesuffix("/v1"))


@pytest.fixture(params=["real", "double"])
def server(request: pytest.FixtureRequest, real: Server, double: Server) -> Server:
    return real if request.param == "real" else double


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Lecture:
    """A film of one sentence."""
    slide = Slide("A log", ("a list",), (SAID,))
    script = Script("short", "ada", "Short", "what is a log", SAID, (slide,), sha256(SAID.encode()).hexdigest())
    return make_lectures(tmp_path_factory.mktemp("short"), lambda title, done: None, [script])[0]


def tone(seconds: float) -> bytes:
    """A wave file that is new with each length."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes((np.sin(np.arange(round(seconds * 16_000)) / 20) * 8_000).astype("<i2").tobytes())
    return file.getvalue()


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


# Both


async def test_words_come_with_times_that_lie_in_order_within_the_audio(server: Server, spoken: Lecture) -> None:
    heard = await server.client.audio.transcriptions.create(
        model=server.speech,
        file=spoken.file,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert heard.words
    assert heard.segments
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= heard.duration
    assert plain(" ".join(word.word for word in heard.words)) == plain(heard.text)
    assert " ".join(segment.text for segment in heard.segments) == heard.text


async def test_every_format_of_a_transcription_has_the_same_text(server: Server, spoken: Lecture) -> None:
    create = server.client.audio.transcriptions.create
    brief = await create(model=server.speech, file=spoken.file)
    text = await create(model=server.speech, file=spoken.file, response_format="text")
    assert text == brief.text + "\n"


async def test_vectors_are_the_same_in_both_encodings_and_of_unit_length(server: Server) -> None:
    create = server.client.embeddings.create
    packed = await create(model=server.embedder, input=["query: tides", "passage: the sea"])  # base64, unseen
    listed = await create(model=server.embedder, input=["query: tides", "passage: the sea"], encoding_format="float")
    vectors = np.array([one.embedding for one in packed.data])
    assert vectors.shape == (2, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert np.allclose(vectors, [one.embedding for one in listed.data], atol=1e-6)


async def test_a_text_is_nearer_to_what_speaks_of_it(server: Server) -> None:
    texts = ["query: how does bread rise", "passage: yeast makes bread rise", "passage: the moon pulls on the sea"]
    answer = await server.client.embeddings.create(model=server.embedder, input=texts)
    asked, near, far = (np.array(one.embedding) for one in answer.data)
    assert asked @ near > asked @ far + 0.05


async def test_every_paid_call_is_on_the_bill_under_the_hash_of_its_content(server: Server) -> None:
    audio, text = tone(1.25), "passage: paid for"
    await server.client.audio.transcriptions.create(model=server.speech, file=("a.wav", audio))
    await server.client.embeddings.create(model=server.embedder, input=[text, text])
    heard, embedded = server.bill()[-2:]
    assert (heard.kind, heard.sha256, heard.seconds) == ("transcription", (sha256(audio).hexdigest(),), 1.25)
    assert (embedded.kind, embedded.sha256) == ("embedding", (sha256(text.encode()).hexdigest(),) * 2)
    assert embedded.tokens


async def test_an_unknown_model_is_refused_as_openai_refuses_it(server: Server) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await server.client.embeddings.create(model="gpt-9", input="hello")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        await server.client.audio.transcriptions.create(model="gpt-9", file=("a.wav", tone(0.5)))


async def test_what_cannot_be_used_is_refused_and_not_paid_for(server: Server) -> None:
    paid = len(server.bill())
    with pytest.raises(openai.BadRequestError) as refused:
        await server.client.audio.transcriptions.create(model=server.speech, file=("a.wav", b"no sound at all"))
    assert refused.value.param == "file"
    with pytest.raises(openai.BadRequestError):
        await server.client.embeddings.create(model=server.embedder, input=["", "second"])
    assert len(server.bill()) == paid


async def test_the_models_are_listed(server: Server) -> None:
    assert {server.speech, server.embedder} <= {model.id async for model in server.client.models.list()}


# The local AI


async def test_a_spoken_sentence_is_heard_where_it_was_spoken(real: Server, spoken: Lecture) -> None:
    heard = await real.client.audio.transcriptions.create(
        model=real.speech, file=spoken.file, response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert plain(heard.text) == plain(SAID)
    assert heard.words
    assert heard.segments is None
    assert abs(heard.words[-1].end - spoken.answer.end) < 0.5


async def test_human_speech_is_heard(real: Server) -> None:
    recording = SPEECH / "jfk.flac"
    if not recording.exists():
        pytest.skip("shared/data/speech is not beside the project")
    heard = await real.client.audio.transcriptions.create(model=real.speech, file=recording)
    assert "ask not what your country can do for you" in " ".join(plain(heard.text))


async def test_a_language_that_the_model_does_not_know_is_refused_with_the_remedy(real: Server) -> None:
    with pytest.raises(openai.BadRequestError, match="OPENAI_API_KEY"):
        await real.client.audio.transcriptions.create(model=real.speech, file=("a.wav", tone(0.5)), language="de")


async def test_a_text_without_a_prefix_is_a_passage(real: Server) -> None:
    answer = await real.client.embeddings.create(model=real.embedder, input=["the sea", "passage: the sea"])
    bare, passage = (np.array(one.embedding) for one in answer.data)
    assert np.allclose(bare, passage, atol=1e-5)


def test_a_page_of_another_name_cannot_reach_it(local_ai: str) -> None:
    assert httpx.get(f"{local_ai}/bill", headers={"host": "pages.example"}).status_code == 400


def test_health_names_the_models(local_ai: str) -> None:
    health = httpx.get(f"{local_ai}/healthz")
    assert health.status_code == 200
    assert set(health.json()["models"]) == {"whisper-tiny.en", "multilingual-e5-small"}


# The lectures


async def test_a_lecture_is_heard_with_few_wrong_words_and_kept(real: Server, tmp_path: Path) -> None:
    told: list[float] = []
    bread = next(script for script in scripts() if script.video_id == "why-bread-rises")
    plan = [replace(bread, slides=bread.slides[:2])]  # half of it: the rest would only take time
    lecture = make_lectures(tmp_path, lambda title, done: told.append(done), plan)[0]
    assert told == sorted(told)
    assert told[-1] == 1
    heard = await real.client.audio.transcriptions.create(model=real.speech, file=lecture.file)
    said = plain(" ".join(sentence.text for sentence in lecture.sentences))
    alike = difflib.SequenceMatcher(None, said, plain(heard.text), autojunk=False)
    assert sum(block.size for block in alike.get_matching_blocks()) > 0.9 * len(said)

    made = lecture.file.stat().st_mtime_ns
    assert make_lectures(tmp_path, lambda title, done: told.append(2.0), plan) == [lecture]
    assert lecture.file.stat().st_mtime_ns == made
    assert told[-1] == 1


async def test_each_question_of_the_demo_finds_its_answer(real: Server) -> None:
    plan = scripts()
    assert len(plan) >= 3
    assert len({script.creator_id for script in plan}) >= 2
    sentences = [sentence for script in plan for sentence in script.sentences]
    texts = [f"query: {script.question}" for script in plan] + [f"passage: {sentence}" for sentence in sentences]
    answer = await real.client.embeddings.create(model=real.embedder, input=texts)
    vectors = np.array([one.embedding for one in answer.data])
    for script, vector in zip(plan, vectors, strict=False):
        assert sentences[int(np.argmax(vectors[len(plan) :] @ vector))] == script.answer
