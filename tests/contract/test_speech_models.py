"""What every speech model keeps to, whatever it can do: one suite, each model by its name, a compatible server's and
the local one among them."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.ports import Segment, SpeechRefused
from chronos.adapters.openai_client import connect
from chronos.adapters.openai_speech import OpenAiSpeech
from chronos.adapters.sound import RATE
from chronos.config import LOCAL_SPEECH
from chronos.models import SPEECH_MODELS, SpeechModel, speech_model
from schemas.transcription import TranscriptSegment
from tests.provider import Provider
from tests.provider_models import ANSWERS, UNKNOWN

WORDS = [f"word{index}" for index in range(25)]
SAID = " ".join(WORDS)
MODELS = [*SPEECH_MODELS, UNKNOWN, LOCAL_SPEECH]


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.clear()
    server.say(SAID)
    return server


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def speech(provider: Provider, model: str) -> AsyncIterator[OpenAiSpeech]:
    async with connect(provider.base_url, "none", timeout=5) as client:
        yield OpenAiSpeech(client, model, micro_usd_per_minute={model: 6000}, context=True)


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    """Forty seconds of a sound, from 30.5 s on: the third call for its video."""
    sound = tmp_path / "sound.pcm"
    sound.write_bytes(b"\1\0" * RATE * 80)
    return Segment("a" * 64, 2, 30.5, 70.5, None, sound)


async def heard(speech: OpenAiSpeech, segment: Segment) -> tuple[list[TranscriptSegment], str | None]:
    (answer,) = await speech([segment])
    return speech.hear(segment, answer.result)


async def test_all_that_was_said_is_heard_at_its_place_in_the_video(speech: OpenAiSpeech, segment: Segment) -> None:
    passages, _ = await heard(speech, segment)
    assert " ".join(passage.text for passage in passages) == SAID
    assert (passages[0].start, passages[-1].end) == (30.5, pytest.approx(70.5, abs=0.01))
    assert all(a.end <= b.end and a.start <= b.start for a, b in itertools.pairwise(passages))


async def test_times_are_as_fine_as_the_table_says(speech: OpenAiSpeech, segment: Segment, model: str) -> None:
    passages, _ = await heard(speech, segment)
    can = speech_model(model)
    assert (len(passages) > 1) == can.segments
    assert all((passage.words is not None) == can.words for passage in passages)
    if can.words:
        times = {word.text: word.start for passage in passages for word in passage.words or []}
        assert times["word10"] == pytest.approx(30.5 + 10 * 40 / 25, abs=0.01)


async def test_speakers_are_told_where_the_table_says_so_and_none_is_taken_for_that_of_another_call(
    speech: OpenAiSpeech, segment: Segment, model: str
) -> None:
    here, _ = await heard(speech, segment)
    there, _ = await heard(speech, replace(segment, index=3))
    speakers = [passage.speaker for passage in here]
    assert speakers == (["A3", "B3", "A3"] if speech_model(model).speakers else [None] * len(here))
    assert not {passage.speaker for passage in there} & set(speakers) - {None}


async def test_a_hint_at_the_language_is_given_in_the_models_own_way(
    provider: Provider, speech: OpenAiSpeech, segment: Segment
) -> None:
    _, spoken = await heard(speech, replace(segment, language="en-GB"))
    assert spoken == "en"
    assert [call.status for call in provider.calls()] == [200]


async def test_a_model_is_told_what_was_said_before_where_it_takes_that(
    provider: Provider, speech: OpenAiSpeech, segment: Segment, model: str
) -> None:
    assert bool(speech.context) == speech_model(model).prompt
    after = replace(segment, before="as I said") if speech.context else segment
    await speech([after])
    assert [call.status for call in provider.calls()] == [200]
    assert (speech.key(after) == speech.key(segment)) == (not speech.context)


async def test_a_call_is_billed_by_the_length_of_its_sound(speech: OpenAiSpeech, segment: Segment) -> None:
    (answer,) = await speech([segment])
    assert (answer.quantity, answer.cost_micro_usd) == (40.0, 4000)


async def test_a_sound_that_is_too_large_for_the_model_is_not_sent(
    provider: Provider, speech: OpenAiSpeech, segment: Segment, model: str
) -> None:
    small = OpenAiSpeech(
        speech._client, model, micro_usd_per_minute={}, can=replace(speech_model(model), largest=1_000_000)
    )
    with pytest.raises(SpeechRefused, match="CHRONOS_CUTTING"):
        await small([segment])
    assert provider.calls() == []


async def test_nothing_that_was_said_is_no_fault(provider: Provider, speech: OpenAiSpeech, segment: Segment) -> None:
    provider.say("")
    passages, _ = await heard(speech, segment)
    assert passages == []


async def test_what_a_model_does_not_do_is_refused_by_the_double(provider: Provider, segment: Segment) -> None:
    """Else this suite could not fail."""
    wrong = {
        "gpt-transcribe": SpeechModel(format="verbose_json", words=True),
        "gpt-4o-transcribe": SpeechModel(language="languages"),
        "gpt-4o-mini-transcribe": SpeechModel(format="diarized_json", segments=True),
        "gpt-4o-transcribe-diarize": SpeechModel(format="diarized_json", segments=True),
        UNKNOWN: SpeechModel(prompt=True),
    }
    assert wrong.keys() == ANSWERS.keys() - {"whisper-1"}
    asked = replace(segment, language="en", before="as I said")
    async with connect(provider.base_url, "none", timeout=5) as client:
        for model, can in wrong.items():
            said = asked if can.prompt else replace(asked, before="")
            with pytest.raises(SpeechRefused, match="400"):
                await OpenAiSpeech(client, model, micro_usd_per_minute={}, can=can)([said])


async def test_a_server_of_ones_own_is_asked_for_what_the_settings_say(provider: Provider, segment: Segment) -> None:
    can = speech_model("whisper-at-home", {"whisper-at-home": {"words": False}})
    assert can.parameters() == {"response_format": "verbose_json", "timestamp_granularities": ["segment"]}
    async with connect(provider.base_url, "none", timeout=5) as client:
        speech = OpenAiSpeech(client, "whisper-1", micro_usd_per_minute={}, can=can)
        passages, _ = await heard(speech, segment)
    assert len(passages) > 1
    assert all(passage.words is None for passage in passages)


def test_the_keys_of_what_was_bought_before_there_was_a_table_are_the_same(speech: OpenAiSpeech, model: str) -> None:
    """By what stood in its place: results under these keys are in journals and on logs."""
    timed = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
    asked = {
        "whisper-1": timed,
        LOCAL_SPEECH: timed,
        "gpt-4o-transcribe-diarize": {"response_format": "diarized_json", "chunking_strategy": "auto"},  # was of no use
    }
    assert json.dumps(speech_model(model).parameters()) == json.dumps(asked.get(model, {"response_format": "json"}))
