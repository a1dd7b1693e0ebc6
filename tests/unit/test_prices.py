"""What models cost: the list, what an operator says instead, what nobody knows, and which models end."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from chronos.config import DIMENSIONS, EMBEDDING, SPEECH, Settings
from chronos.embedders import Embedders, name_of
from chronos.prices import LIST, endings, in_force, per_million_tokens, per_minute, remedy_for_unknown, unknown

ENDING = {"whisper-1", "gpt-4o-transcribe", "gpt-4o-transcribe-diarize", "gpt-4o-mini-transcribe"}
END = date(2027, 2, 26)


def test_each_price_of_the_list_says_where_and_when_it_was_read_and_stands_there_once() -> None:
    assert all(price.source.startswith("https://") and price.read_on for price in LIST)
    assert len({price.model for price in LIST}) == len(LIST)


def test_the_models_of_the_settings_have_a_price_and_no_end() -> None:
    by_model = {price.model: price for price in LIST}
    assert all(by_model[model].ends is None for model in (SPEECH, EMBEDDING))
    assert Embedders(Settings()).allows(name_of(EMBEDDING, DIMENSIONS))


def test_an_operators_price_goes_before_the_list_and_says_that_it_is_theirs() -> None:
    settings = Settings(speech_prices={"whisper-1": 1, "mine": 2}, embedding_prices={"ours": 3})
    assert (per_minute(settings)["whisper-1"], per_minute(settings)["mine"]) == (1, 2)
    assert per_million_tokens(settings)["ours"] == 3
    (whisper,) = (price for price in in_force(settings) if price.model == "whisper-1")
    assert (whisper.source, whisper.read_on, whisper.ends) == ("CHRONOS_SPEECH_PRICES", None, END)


def test_a_model_without_a_price_is_named_and_one_at_home_is_free() -> None:
    assert unknown(Settings(), ["whisper-1", "new-model"]) == ["new-model"]
    assert unknown(Settings(speech_prices={"new-model": 5}), ["new-model"]) == []
    assert unknown(Settings(local_ai=True), ["new-model"]) == []
    assert "new-model" in remedy_for_unknown(["new-model"])
    assert remedy_for_unknown([]) == ""


def test_the_old_speech_models_end_together() -> None:
    assert {price.model for price in LIST if price.ends == END} == ENDING


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (date(2026, 11, 27), []),
        (date(2026, 11, 28), ["whisper-1 ends on 2027-02-26 (in 90 days): gpt-transcribe is named in its place"]),
        (date(2027, 2, 26), ["whisper-1 ends on 2027-02-26 (it is over): gpt-transcribe is named in its place"]),
    ],
)
def test_a_model_that_ends_is_warned_of_ninety_days_before(today: date, said: list[str]) -> None:
    assert endings({"whisper-1": None, "gpt-transcribe": None}, today) == said


@pytest.mark.parametrize("said", ["2026-12-01", "2026-12-01T00:00:00Z", 1796083200])
def test_what_the_provider_says_of_an_end_goes_before_the_list(said: Any) -> None:
    assert endings({"whisper-1": said, "other": said}, date(2026, 11, 1)) == [
        "whisper-1 ends on 2026-12-01 (in 30 days): gpt-transcribe is named in its place",
        "other ends on 2026-12-01 (in 30 days)",
    ]


@pytest.mark.parametrize("said", ["soon", 10**30, {"date": 1}])
def test_an_end_that_cannot_be_read_is_the_lists(said: Any) -> None:
    assert endings({"gpt-transcribe": said}, END) == []
