"""Which abilities a model's name stands for, which model a creator has, and what a call is told of the one before."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agents.transcribe_video import ending, transcribe_video
from chronos.config import Settings
from chronos.fitting import ModelOfEach, shape
from chronos.models import COMPATIBLE, SPEECH_MODELS, WHISPER, speech_model


@pytest.mark.parametrize(
    ("name", "is_like"),
    [
        ("gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-mini-transcribe"),
        ("gpt-4o-transcribe-diarize", "gpt-4o-transcribe-diarize"),
        ("gpt-4o-transcribe-2027", "gpt-4o-transcribe"),
        ("whisper-1", "whisper-1"),
    ],
)
def test_a_dated_version_can_do_what_its_model_can(name: str, is_like: str) -> None:
    assert speech_model(name) == SPEECH_MODELS[is_like]


def test_of_a_server_of_ones_own_no_more_is_asked_than_is_known() -> None:
    assert speech_model("parakeet") == COMPATIBLE
    assert speech_model("gpt-4o-transcribe-turbo") == COMPATIBLE  # another model, not a version of one
    assert speech_model("Systran/faster-whisper-large-v3") == WHISPER
    assert speech_model("parakeet", {"parakeet": {"prompt": True}}).prompt


@pytest.mark.parametrize("said", [{"speaks": True}, {"words": True}, {"format": "srt"}, {"language": "tongue"}])
def test_abilities_that_no_model_has_are_refused_with_the_models_name(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="'mine' may be given format, words"):
        Settings(speech_abilities={"mine": said})


async def test_a_creator_has_the_model_of_the_settings_and_the_others_the_common_one() -> None:
    settings = Settings(speech_model="gpt-transcribe", creator_models={"ada": "gpt-4o-transcribe-diarize"})
    hearing = ModelOfEach(settings)
    assert hearing.of("ada").model == "gpt-4o-transcribe-diarize"
    assert hearing.of("bob").model == "gpt-transcribe"
    assert hearing.of("ada").context == 0
    await hearing.close()


def test_a_setting_that_few_have_leaves_the_fingerprints_of_all_others_as_they_were() -> None:
    plain = Settings(speech_model="gpt-transcribe")
    assert shape(plain, transcribe_video).startswith("gpt-transcribe Cutting(shortest=30.0")
    others = [
        Settings(speech_model="gpt-transcribe", creator_models={"ada": "whisper-1"}),
        Settings(speech_model="gpt-transcribe", speech_context=True),
        Settings(speech_model="gpt-transcribe", speech_abilities={"mine": {"prompt": True}}),
    ]
    assert len({shape(settings, transcribe_video) for settings in [plain, *others]}) == 4


def test_a_call_is_told_the_last_whole_words_of_what_was_said() -> None:
    assert ending("one two three", 100) == "one two three"
    assert ending("one two three", 8) == "three"
    assert ending("one two three", 9) == "two three"
