"""What models cost and when they end: list prices with the day on which they were read, and the operator's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from chronos.config import Settings

Unit = Literal["minute", "million tokens"]

NOTICE_DAYS = 90
"""Before a model ends: time to compare another one. Half a year before, the line would be read past."""


@dataclass(frozen=True)
class Price:
    """What a unit of a model costs, in millionths of a dollar."""

    model: str
    unit: Unit
    micro_usd: int
    source: str
    read_on: date | None  # none: the operator's own
    ends: date | None = None  # the provider's shutdown_date
    instead: str | None = None  # what the provider names in its place

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "unit": self.unit,
            "microUsd": self.micro_usd,
            "source": self.source,
            "readOn": self.read_on.isoformat() if self.read_on else None,
            "ends": self.ends.isoformat() if self.ends else None,
        }


_MODELS = "https://developers.openai.com/api/docs/models/"
_TOKENS = " (billed by tokens; the minute is OpenAI's estimate)"
_ADA = "https://docs.praison.ai/docs/embeddings/providers/openai"
_READ, _ENDS = date(2026, 11, 26), date(2027, 2, 26)

LIST = (
    Price("gpt-transcribe", "minute", 4_500, _MODELS + "gpt-transcribe", _READ),
    Price("whisper-1", "minute", 6_000, _MODELS + "whisper-1", _READ, _ENDS, "gpt-transcribe"),
    Price(
        "gpt-4o-transcribe", "minute", 6_000, _MODELS + "gpt-4o-transcribe" + _TOKENS, _READ, _ENDS, "gpt-transcribe"
    ),
    Price(
        "gpt-4o-transcribe-diarize",
        "minute",
        6_000,
        _MODELS + "gpt-4o-transcribe" + _TOKENS,
        _READ,
        _ENDS,
        "gpt-transcribe",
    ),
    Price(
        "gpt-4o-mini-transcribe",
        "minute",
        3_000,
        _MODELS + "gpt-4o-mini-transcribe" + _TOKENS,
        _READ,
        _ENDS,
        "gpt-transcribe",
    ),
    Price("text-embedding-3-small", "million tokens", 20_000, _MODELS + "text-embedding-3-large", _READ),
    Price("text-embedding-3-large", "million tokens", 130_000, _MODELS + "text-embedding-3-large", _READ),
    Price("text-embedding-ada-002", "million tokens", 100_000, _ADA, _READ),
)
"""Yours go into CHRONOS_SPEECH_PRICES and CHRONOS_EMBEDDING_PRICES. Prices change: read yours again."""


def in_force(settings: Settings) -> list[Price]:
    """Every price that counts here: the operator's own goes before the list's."""
    own = [
        Price(model, "minute", cost, "CHRONOS_SPEECH_PRICES", None) for model, cost in settings.speech_prices.items()
    ]
    own += [
        Price(model, "million tokens", cost, "CHRONOS_EMBEDDING_PRICES", None)
        for model, cost in settings.embedding_prices.items()
    ]
    found = {(price.model, price.unit): price for price in LIST}
    for price in own:
        before = found.get((price.model, price.unit), price)
        found[price.model, price.unit] = replace(price, ends=before.ends, instead=before.instead)
    return list(found.values())


def per_minute(settings: Settings) -> dict[str, int]:
    """Of speech to text, by model."""
    return _by_model(settings, "minute")


def per_million_tokens(settings: Settings) -> dict[str, int]:
    """Of embeddings, by model."""
    return _by_model(settings, "million tokens")


def _by_model(settings: Settings, unit: Unit) -> dict[str, int]:
    return {price.model: price.micro_usd for price in in_force(settings) if price.unit == unit}


def unknown(settings: Settings, models: Iterable[str]) -> list[str]:
    """Those of which no price is known: their calls are counted as free. Models at home are."""
    from chronos.config import LOCAL_EMBEDDING, LOCAL_SPEECH

    known = {*per_minute(settings), *per_million_tokens(settings)}
    return [] if settings.local_ai else [m for m in models if m not in known | {LOCAL_SPEECH, LOCAL_EMBEDDING}]


def remedy_for_unknown(models: Iterable[str]) -> str:
    """What is said where a price is not known; nothing where all are."""
    names = ", ".join(models)
    return (
        f"no price is known of {names}: its calls count as $0 until CHRONOS_SPEECH_PRICES or CHRONOS_EMBEDDING_PRICES "
        "has one"
        if names
        else ""
    )


def endings(models: Mapping[str, Any], today: date) -> list[str]:
    """What is to be said of models that end soon, or have.

    Args:
        models: each with what the provider says of its end (`shutdown_date`), where it says something.
    """
    listed = {price.model: price for price in LIST}
    found = []
    for model, said in models.items():
        price = listed.get(model)
        ends = _day(said) or (price.ends if price else None)
        if ends is not None and (left := (ends - today).days) <= NOTICE_DAYS:
            when = f"in {left} days" if left > 0 else "it is over"
            instead = f": {price.instead} is named in its place" if price and price.instead else ""
            found.append(f"{model} ends on {ends} ({when}){instead}")
    return found


def _day(said: Any) -> date | None:
    """A day as providers write it: 2027-02-26, or seconds since 1970."""
    try:
        return datetime.fromtimestamp(said, UTC).date() if isinstance(said, int) else date.fromisoformat(said[:10])
    except (TypeError, ValueError, OverflowError, OSError):
        return None
