"""Texts to vectors through OpenAI's API."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from openai import AsyncOpenAI, OpenAIError

from agents.ports import EmbeddingBlocked, EmbeddingBusy, EmbeddingRefused, EmbeddingUnavailable
from chronos.adapters.openai_client import PROVIDER, Conditions, apportion, fault, nonsense, rest, understood
from chronos.tokens import vocabulary
from streams.stage import Answer

log = structlog.get_logger()

_EMBEDDING = Conditions("embedding", EmbeddingRefused, EmbeddingUnavailable, EmbeddingBusy, EmbeddingBlocked)


@dataclass(frozen=True)
class Manner:
    """How a family of models wants to be asked."""

    passage: str = ""
    """Stands before each text that is searched in."""

    query: str = ""
    """Stands before each question."""

    shortens: bool = False
    """Whether it gives vectors of any dimension; others refuse the parameter."""


MANNERS: tuple[tuple[str, Manner], ...] = (
    ("text-embedding-3-", Manner(shortens=True)),
    ("multilingual-e5-", Manner(passage="passage: ", query="query: ")),  # trained with these: see its model card
    ("", Manner()),
)
"""By the beginning of the model's name; the first that fits counts."""


class OpenAiEmbedder:
    """Embeds texts, all arguments of a call in one request."""

    usage: Literal["inputTokens"] = "inputTokens"

    def __init__(
        self, client: AsyncOpenAI, model: str, dimensions: int, *, micro_usd_per_million_tokens: Mapping[str, int]
    ) -> None:
        """A model without a price costs nothing: it runs at home."""
        self.model = model
        self.provider = client.base_url.host
        self._client = client
        self.dimensions = dimensions
        self._price = micro_usd_per_million_tokens.get(model, 0)
        self._vocabulary = vocabulary(model)
        self._manner = next(manner for beginning, manner in MANNERS if model.startswith(beginning))

    @property
    def space(self) -> str:
        """See agents.ports.Embedder."""
        return f"{self.model}/{self.dimensions}"

    async def close(self) -> None:
        """Closes the connections to the provider."""
        await self._client.close()

    def key(self, text: str) -> str:
        """See streams.stage.PaidCall."""
        asked = ["embedding", PROVIDER, self.model, self.dimensions, self._manner.passage + text]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def quote(self, arguments: Sequence[str]) -> tuple[float, int]:
        """See streams.stage.PaidCall. Tokens are counted as the model does, or estimated where nobody knows how."""
        tokens = sum(self._counts([self._manner.passage + text for text in arguments]))
        return tokens, self._cost(tokens)

    def surplus(self, text: str) -> int:
        """See agents.ports.Embedder."""
        return self._vocabulary.surplus(self._manner.passage + text)

    async def __call__(self, arguments: Sequence[str]) -> list[Answer]:
        """See streams.stage.PaidCall. A call's tokens are shared out as they are counted here."""
        texts = [self._manner.passage + text for text in arguments]
        vectors, tokens, pause = await self._embed(texts)
        weights = self._counts(texts)
        costs = apportion(self._cost(tokens), weights)
        shares = zip(vectors, apportion(tokens, weights), costs, strict=True)
        return [Answer(vector, share, cost, pause) for vector, share, cost in shares]

    async def embed_query(self, text: str) -> bytes:
        """The vector of a question, float32 little-endian, in the same space as the passages.

        Raises:
            EmbeddingRefused, EmbeddingUnavailable, EmbeddingBusy, EmbeddingBlocked.
        """
        vectors, _, _ = await self._embed([self._manner.query + text])
        return vectors[0]

    def _cost(self, tokens: int) -> int:
        return round(tokens * self._price / 1_000_000)

    def _counts(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text that the model takes."""
        return [self._vocabulary.count(self._vocabulary.cut(text)) for text in texts]

    def _fitting(self, text: str) -> str:
        """As much as the model takes. What is left out is said here, and in the fact."""
        if surplus := self._vocabulary.surplus(text):
            remedy = "fewer tokens a chunk: CHRONOS_CHUNKING, for texts to come"
            most = self._vocabulary.most
            log.warning("text cut to the model's limit", model=self.model, most=most, left_out=surplus, remedy=remedy)
        return self._vocabulary.cut(text)

    async def _embed(self, texts: list[str]) -> tuple[list[bytes], int, float]:
        """The vectors in the order of the texts, the tokens that they cost together, and for how many seconds the
        provider wants no more."""
        texts = [self._fitting(text) for text in texts]
        parameters: dict[str, Any] = {"dimensions": self.dimensions} if self._manner.shortens else {}
        try:
            response = await self._client.embeddings.with_raw_response.create(
                input=texts, model=self.model, encoding_format="base64", **parameters
            )
        except OpenAIError as error:
            raise fault(error, _EMBEDDING) from error
        answer = understood(response.content, _EMBEDDING)
        vectors = [self._vector(item) for item in _in_order(answer, len(texts))]
        tokens = _tokens(answer)
        return vectors, sum(self._counts(texts)) if tokens is None else tokens, rest(response.headers)

    def _vector(self, item: dict[str, Any]) -> bytes:
        """The vector as bytes, whichever of the two encodings the server chose.

        Raises:
            EmbeddingUnavailable: it has another dimension, or numbers that are none.
        """
        found = item.get("embedding")
        try:
            values = base64.b64decode(found, validate=True) if isinstance(found, str) else _packed(found)
            numbers = struct.unpack(f"<{self.dimensions}f", values)
        except (ValueError, TypeError, OverflowError, struct.error):
            numbers = ()
        if not numbers or not all(map(math.isfinite, numbers)):
            raise nonsense(f"something that is no vector of {self.dimensions} numbers from {self.model}", _EMBEDDING)
        return values


def _packed(numbers: Any) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _in_order(answer: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The items of an answer by their index.

    Raises:
        EmbeddingUnavailable: there is not exactly one for each text.
    """
    data = answer.get("data")
    items = {item.get("index"): item for item in data if isinstance(item, dict)} if isinstance(data, list) else {}
    if not isinstance(data, list) or len(data) != count or set(items) != set(range(count)):
        raise nonsense(f"vectors for {sorted(map(str, items))[:5]} where {count} were asked for", _EMBEDDING)
    return [items[index] for index in range(count)]


def _tokens(answer: dict[str, Any]) -> int | None:
    """What the provider counted, where it says so."""
    usage = answer.get("usage")
    counted = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    if isinstance(counted, int) and not isinstance(counted, bool) and counted >= 0:
        return counted
    return None
