"""What every embedding model keeps to, whatever it is like: one suite, each model by name, the local one as well."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import AsyncIterator

import httpx
import pytest

from agents.ports import EmbeddingBlocked, EmbeddingRefused, EmbeddingUnavailable
from chronos.adapters.openai_client import connect
from chronos.adapters.openai_embedder import OpenAiEmbedder
from chronos.config import LOCAL_EMBEDDING
from tests.provider import EMBEDDERS, Provider

MODELS = ["text-embedding-3-small", "text-embedding-3-large", LOCAL_EMBEDDING]
PREFIXES = {LOCAL_EMBEDDING: ("passage: ", "query: ")}  # see its model card
PRICE = 20_000_000  # millionths of a dollar a million tokens: 20 a token
TEXTS = [f"chapter {index} " + "word " * index for index in range(20)]
LONG = "မြန်မာစာ" * 700  # 11,200 of OpenAI's tokens


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.clear()
    return server


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def embedder(provider: Provider, model: str) -> AsyncIterator[OpenAiEmbedder]:
    async with connect(provider.base_url, "none", timeout=5) as client:
        yield OpenAiEmbedder(client, model, EMBEDDERS[model], micro_usd_per_million_tokens={model: PRICE})


def numbers(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def sent(provider: Provider) -> list[str]:
    return [digest for charge in provider.bill() for digest in charge.sha256]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_a_text_becomes_a_vector_of_the_spaces_length(embedder: OpenAiEmbedder, model: str) -> None:
    (answer,) = await embedder(["tide"])
    assert embedder.space == f"{model}/{EMBEDDERS[model]}"
    assert len(numbers(answer.result)) == EMBEDDERS[model]
    assert math.hypot(*numbers(answer.result)) == pytest.approx(1, abs=1e-3)


async def test_twenty_texts_are_one_call_and_their_vectors_come_in_their_order(
    provider: Provider, embedder: OpenAiEmbedder
) -> None:
    together = await embedder(TEXTS)
    assert len(provider.calls()) == 1
    for text, answer in zip(TEXTS, together, strict=True):
        (alone,) = await embedder([text])
        assert answer.result == alone.result


async def test_passages_and_questions_are_told_apart_where_the_model_wants_that(
    provider: Provider, embedder: OpenAiEmbedder, model: str
) -> None:
    passage, query = PREFIXES.get(model, ("", ""))
    await embedder(["tide"])
    await embedder.embed_query("tide")
    assert sent(provider) == [sha(f"{passage}tide"), sha(f"{query}tide")]


async def test_a_call_costs_what_was_foretold_and_its_texts_share_the_bill(
    provider: Provider, embedder: OpenAiEmbedder
) -> None:
    answers = await embedder(TEXTS)
    (charge,) = provider.bill()
    assert sum(answer.quantity for answer in answers) == charge.tokens == embedder.quote(TEXTS)[0]
    assert sum(answer.cost_micro_usd for answer in answers) == embedder.quote(TEXTS)[1] == 20 * (charge.tokens or 0)


async def test_a_text_that_is_too_long_for_the_model_is_cut_and_the_rest_is_counted(
    provider: Provider, embedder: OpenAiEmbedder, model: str
) -> None:
    await embedder([LONG])
    assert [call.status for call in provider.calls()] == [200]
    passage, _ = PREFIXES.get(model, ("", ""))
    assert (sent(provider) == [sha(passage + LONG)]) == (embedder.surplus(LONG) == 0)
    assert (embedder.surplus(LONG) > 0) == model.startswith("text-embedding-3-")  # the local one has no limit there


async def test_fewer_dimensions_are_another_space_or_refused(provider: Provider, model: str) -> None:
    async with connect(provider.base_url, "none", timeout=5) as client:
        short = OpenAiEmbedder(client, model, 256, micro_usd_per_million_tokens={})
        whole = OpenAiEmbedder(client, model, EMBEDDERS[model], micro_usd_per_million_tokens={})
        assert short.key("tide") != whole.key("tide")
        if model.startswith("text-embedding-3-"):
            (answer,) = await short(["tide"])
            assert len(numbers(answer.result)) == 256
        else:
            with pytest.raises(EmbeddingUnavailable, match="no vector of 256 numbers"):
                await short(["tide"])


def test_what_a_model_does_not_do_is_refused_by_the_double(provider: Provider) -> None:
    """Else this suite could not fail."""
    for wrong in (
        {"model": LOCAL_EMBEDDING, "input": "tide", "dimensions": 256},
        {"model": "text-embedding-3-small", "input": LONG},
    ):
        assert httpx.post(f"{provider.base_url}/embeddings", json=wrong).status_code == 400
    assert provider.bill() == []


async def test_what_a_model_refuses_is_final_and_not_paid(provider: Provider, embedder: OpenAiEmbedder) -> None:
    provider.fail(status=400, kind="embeddings")
    with pytest.raises(EmbeddingRefused):
        await embedder(["tide"])
    provider.fail(status=401, kind="embeddings")
    with pytest.raises(EmbeddingBlocked):
        await embedder(["tide"])
    assert provider.bill() == []
