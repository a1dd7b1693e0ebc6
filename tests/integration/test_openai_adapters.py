"""Speech and embeddings against a real server: what is bought, how it is placed, and what each failure means."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import structlog

from agents.ports import (
    EmbeddingBlocked,
    EmbeddingBusy,
    EmbeddingRefused,
    EmbeddingUnavailable,
    Segment,
    SpeechBlocked,
    SpeechBusy,
    SpeechRefused,
    SpeechUnavailable,
)
from chronos.adapters.openai_client import apportion, connect
from chronos.adapters.openai_embedder import OpenAiEmbedder
from chronos.adapters.openai_speech import OpenAiSpeech
from chronos.adapters.retry_after import seconds_asked
from chronos.adapters.sound import RATE
from tests.provider import Provider

KEY = "sk-not-a-real-key-1234567890"
PRICES = {"whisper-1": 6000}  # $0.006 a minute
TOKEN_PRICES = {"text-embedding-3-small": 20_000}


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.clear()
    return server


@pytest.fixture
async def speech(provider: Provider) -> AsyncIterator[OpenAiSpeech]:
    async with connect(provider.base_url, KEY, timeout=5) as client:
        yield OpenAiSpeech(client, "whisper-1", micro_usd_per_minute=PRICES)


@pytest.fixture
async def embedder(provider: Provider) -> AsyncIterator[OpenAiEmbedder]:
    async with connect(provider.base_url, KEY, timeout=5) as client:
        yield OpenAiEmbedder(client, "text-embedding-3-small", 256, micro_usd_per_million_tokens=TOKEN_PRICES)


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    """Ten seconds of a sound, from 30.5 s on."""
    sound = tmp_path / "sound.pcm"
    sound.write_bytes(b"\1\0" * RATE * 60)
    return Segment("a" * 64, 1, 30.5, 40.5, None, sound)


async def test_a_segment_is_heard_at_its_place_in_the_video(
    provider: Provider, speech: OpenAiSpeech, segment: Segment
) -> None:
    provider.say("Nothing in a log is ever changed.")
    (answer,) = await speech([segment])
    ((passage,), spoken) = speech.hear(segment, answer.result)
    assert (passage.start, passage.end, spoken) == (30.5, 40.5, "en")
    assert passage.text == "Nothing in a log is ever changed."
    assert passage.words
    assert [word.text.strip(".") for word in passage.words] == ["Nothing", "in", "a", "log", "is", "ever", "changed"]
    assert passage.words[0].start == 30.5
    assert passage.words[-1].end == pytest.approx(40.5, abs=0.01)
    assert (answer.quantity, answer.cost_micro_usd) == (10.0, 1000)


async def test_the_same_sound_gives_the_same_bytes(speech: OpenAiSpeech, segment: Segment) -> None:
    (first,), (second,) = await speech([segment]), await speech([segment])
    assert first == second
    assert list(json.loads(first.result)) == sorted(json.loads(first.result))


def test_a_paid_result_is_known_by_place_model_and_language_alone(speech: OpenAiSpeech, segment: Segment) -> None:
    key = speech.key(segment)
    elsewhere = replace(segment, sound=Path("another/attempt.pcm"), index=7, start=30.5000001)
    assert speech.key(elsewhere) == key
    others = [
        replace(segment, source_sha256="b" * 64),
        replace(segment, start=30.501),
        replace(segment, end=41.0),
        replace(segment, language="de"),
    ]
    other_model = OpenAiSpeech(speech._client, "gpt-transcribe", micro_usd_per_minute={})
    keys = {key, *(speech.key(other) for other in others), other_model.key(segment)}
    assert len(keys) == len(others) + 2


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_what_the_provider_refuses_is_not_tried_again(
    provider: Provider, speech: OpenAiSpeech, embedder: OpenAiEmbedder, segment: Segment, status: int
) -> None:
    provider.fail(next=2, status=status)
    with pytest.raises(SpeechRefused, match=str(status)):
        await speech([segment])
    with pytest.raises(EmbeddingRefused, match=str(status)):
        await embedder(["text"])


@pytest.mark.parametrize(("asked", "waits"), [(7.0, 7.0), (None, 5.0), (9999.0, 300.0), (-1.0, 5.0)])
async def test_patience_is_as_long_as_the_provider_asks(
    provider: Provider, speech: OpenAiSpeech, embedder: OpenAiEmbedder, segment: Segment, asked: float, waits: float
) -> None:
    provider.fail(next=2, status=429, retry_after=asked)
    with pytest.raises(SpeechBusy) as busy:
        await speech([segment])
    assert busy.value.retry_after == waits
    with pytest.raises(EmbeddingBusy):
        await embedder(["text"])


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_pauses_the_work_and_is_never_told(
    provider: Provider, speech: OpenAiSpeech, segment: Segment, status: int
) -> None:
    provider.fail(status=status)
    with pytest.raises(SpeechBlocked, match="OPENAI_API_KEY") as busy:
        await speech([segment])
    assert busy.value.retry_after == 30.0
    assert KEY not in str(busy.value)


async def test_an_empty_account_pauses_the_work(provider: Provider, embedder: OpenAiEmbedder) -> None:
    provider.fail(status=429, code="insufficient_quota")
    with pytest.raises(EmbeddingBlocked, match="credit") as busy:
        await embedder(["text"])
    assert busy.value.retry_after == 30.0


@pytest.mark.parametrize("status", [500, 502, 503, 408, 409])
async def test_a_failing_provider_is_tried_again_by_the_runner_and_not_by_the_client(
    provider: Provider, speech: OpenAiSpeech, embedder: OpenAiEmbedder, segment: Segment, status: int
) -> None:
    provider.fail(next=2, status=status)
    with pytest.raises(SpeechUnavailable, match=str(status)):
        await speech([segment])
    with pytest.raises(EmbeddingUnavailable, match=str(status)):
        await embedder(["text"])
    assert len(provider.calls()) == 2


BODIES = ['{"surprise": true}', "[]", "<html>", "", '{"text": 1}', '{"text": "\\ud800"}', '{"text": NaN}', "[" * 10_000]


@pytest.mark.parametrize("body", BODIES)
async def test_an_answer_that_makes_no_sense_is_tried_again(
    provider: Provider, speech: OpenAiSpeech, embedder: OpenAiEmbedder, segment: Segment, body: str
) -> None:
    provider.nonsense(next=2, body=body)
    with pytest.raises(SpeechUnavailable, match="nonsense"):
        await speech([segment])
    with pytest.raises(EmbeddingUnavailable, match="nonsense"):
        await embedder(["text"])


async def test_an_answer_that_is_cut_off_is_tried_again(
    provider: Provider, speech: OpenAiSpeech, embedder: OpenAiEmbedder, segment: Segment
) -> None:
    provider.cut(next=2)
    with pytest.raises(SpeechUnavailable):
        await speech([segment])
    with pytest.raises(EmbeddingUnavailable):
        await embedder(["text"])


async def test_a_provider_that_hangs_is_given_up_on(provider: Provider, segment: Segment) -> None:
    provider.hang()
    async with asyncio.timeout(5), connect(provider.base_url, KEY, timeout=0.2) as client:
        with pytest.raises(SpeechUnavailable, match="in time"):
            await OpenAiSpeech(client, "whisper-1", micro_usd_per_minute={})([segment])


async def test_a_provider_that_is_away_is_tried_again(segment: Segment) -> None:
    async with connect("http://127.0.0.1:9/v1", KEY, timeout=5) as client:
        with pytest.raises(SpeechUnavailable, match=r"127\.0\.0\.1.*OPENAI_BASE_URL"):
            await OpenAiSpeech(client, "whisper-1", micro_usd_per_minute={})([segment])


async def test_vectors_come_in_the_order_of_the_texts_and_share_the_bill(
    provider: Provider, embedder: OpenAiEmbedder
) -> None:
    texts = [f"chapter {index} " + "word " * index for index in range(20)]
    answers = await embedder(texts)
    assert len(provider.calls()) == 1
    assert len(answers) == 20
    for text, answer in zip(texts, answers, strict=True):
        assert answer.result == await embedder.embed_query(text)
        assert len(struct.unpack("<256f", answer.result)) == 256
    tokens = provider.bill()[0].tokens or 0
    assert sum(answer.quantity for answer in answers) == tokens
    assert sum(answer.cost_micro_usd for answer in answers) == round(tokens * 20_000 / 1_000_000)


BURMESE = "မြန်မာစာ" * 700  # 11,200 tokens in 5,600 letters


async def test_what_the_model_does_not_take_is_cut_off_and_said(provider: Provider, embedder: OpenAiEmbedder) -> None:
    with structlog.testing.capture_logs() as logs:
        cut, whole = await embedder([BURMESE, "tide"])
    assert [(line["event"], line["left_out"]) for line in logs] == [("text cut to the model's limit", 3009)]
    assert embedder.surplus(BURMESE) == 3009
    assert (cut.quantity, whole.quantity) == (8190, 2)  # the last letter has tokens on both sides of the limit
    assert sum(one.tokens or 0 for one in provider.bill()) == embedder.quote([BURMESE, "tide"])[0] == 8192


async def test_a_planned_call_uses_as_many_tokens_as_the_provider_counts(
    provider: Provider, embedder: OpenAiEmbedder
) -> None:
    texts = ["Nothing in a log is ever changed.", "Größe, ça va?", "潮の満ち引き", "👩‍👩‍👧‍👦"]
    await embedder(texts)
    assert provider.bill()[0].tokens == embedder.quote(texts)[0] == 41


def test_what_was_bought_before_tokens_were_counted_is_found_again(embedder: OpenAiEmbedder) -> None:
    assert embedder.key("tide") == "3f8bc4d595242f690f693f758a36b06869a9fe8ce994d04585bfd0cee05b3ade"


async def test_a_models_own_prefixes_stand_before_passages_and_questions(provider: Provider) -> None:
    async with connect(provider.base_url, KEY, timeout=5) as client:
        plain = OpenAiEmbedder(client, "multilingual-e5-small", 384, micro_usd_per_million_tokens={})
        (passage,) = await plain(["tide"])
        query = await plain.embed_query("tide")
    assert plain.space == "multilingual-e5-small/384"
    assert passage.result != query
    assert (passage.cost_micro_usd, len(query)) == (0, 384 * 4)


async def test_a_vector_of_another_dimension_never_reaches_the_space(provider: Provider) -> None:
    async with connect(provider.base_url, KEY, timeout=5) as client:
        wrong = OpenAiEmbedder(client, "multilingual-e5-small", 512, micro_usd_per_million_tokens={})
        with pytest.raises(EmbeddingUnavailable, match="no vector of 512 numbers"):
            await wrong(["tide"])


NAN, INFINITE = "AADAfw==", "AACAfw=="


@pytest.mark.parametrize("vector", [json.dumps(NAN), json.dumps(INFINITE), '"?"', "[]", '["1"]', "[1e300]", "null"])
async def test_a_vector_of_what_are_no_numbers_is_nonsense(provider: Provider, vector: str) -> None:
    provider.nonsense(body=f'{{"data": [{{"index": 0, "embedding": {vector}}}], "usage": {{"prompt_tokens": 1}}}}')
    async with connect(provider.base_url, KEY, timeout=5) as client:
        with pytest.raises(EmbeddingUnavailable, match="nonsense"):
            await OpenAiEmbedder(client, "any", 1, micro_usd_per_million_tokens={})(["tide"])


async def test_plain_numbers_are_a_vector_too(provider: Provider) -> None:
    provider.nonsense(body='{"data": [{"index": 0, "embedding": [0.5]}]}')
    async with connect(provider.base_url, KEY, timeout=5) as client:
        (answer,) = await OpenAiEmbedder(client, "any", 1, micro_usd_per_million_tokens={})(["tide"])
    assert (answer.result, answer.quantity) == (struct.pack("<f", 0.5), 1)


def test_a_text_is_bought_once_a_space(embedder: OpenAiEmbedder) -> None:
    larger = OpenAiEmbedder(embedder._client, "text-embedding-3-small", 512, micro_usd_per_million_tokens={})
    assert embedder.key("a") == embedder.key("a")
    assert len({embedder.key("a"), embedder.key("b"), larger.key("a")}) == 3
    assert embedder.space == "text-embedding-3-small/256"


def test_shares_sum_to_the_whole() -> None:
    assert apportion(10, [1, 1, 1]) == [3, 3, 4]
    assert apportion(7, [0, 0]) == [0, 7]
    assert apportion(0, []) == []
    assert sum(apportion(1001, range(1, 21))) == 1001


def test_a_date_may_say_how_long_to_wait() -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert seconds_asked(format_datetime(later, usegmt=True)) == pytest.approx(60, abs=2)
    assert seconds_asked("soon") == 0.0
