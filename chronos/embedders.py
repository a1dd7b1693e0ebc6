"""What embeds for each embedding space, and for which models money may be spent here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronos import prices
from chronos.config import LOCAL_EMBEDDING, Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from chronos.adapters.openai_embedder import OpenAiEmbedder


class NoSuchSpace(Exception):
    """No such embedding space, or none with which this can be done."""


def name_of(model: str, dimensions: int) -> str:
    """The name of a space."""
    return f"{model}/{dimensions}"


def parts_of(space: str) -> tuple[str, int]:
    """Model and dimensions.

    Raises:
        NoSuchSpace: the name is not `model/dimensions`.
    """
    model, _, dimensions = space.rpartition("/")
    if not model or not dimensions.isascii() or not dimensions.isdigit() or not 0 < int(dimensions) <= 16_000:
        raise NoSuchSpace(f"{space!r} names no embedding space: say model/dimensions, e.g. text-embedding-3-large/3072")
    return model, int(dimensions)


class Embedders:
    """An embedder for each space, all of one provider. Close it at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prices = prices.per_million_tokens(settings)
        self._client: AsyncOpenAI | None = None
        self._made: dict[str, OpenAiEmbedder] = {}
        self.default = name_of(settings.embedding(), settings.dimensions())

    def allows(self, space: str) -> bool:
        """Whether its model may be paid for: the settings name it, or there is a price for it."""
        model, _ = parts_of(space)
        local = {LOCAL_EMBEDDING} if self._settings.local_ai else set()
        priced = set(self._settings.embedding_prices) if self._settings.local_ai else set(self._prices)
        return model in {self._settings.embedding(), *priced, *local}

    def of(self, space: str) -> OpenAiEmbedder:
        from chronos.adapters.openai_embedder import OpenAiEmbedder

        if space not in self._made:
            model, dimensions = parts_of(space)
            self._made[space] = OpenAiEmbedder(
                self._connected(), model, dimensions, micro_usd_per_million_tokens=self._prices
            )
        return self._made[space]

    async def close(self) -> None:
        """Closes the connections to the provider."""
        if self._client is not None:
            await self._client.close()

    def _connected(self) -> AsyncOpenAI:
        from chronos.adapters.openai_client import connect  # the client takes a second to import

        if self._client is None:
            settings = self._settings
            self._client = connect(settings.openai_base_url, settings.api_key(), settings.ai_timeout)
        return self._client
