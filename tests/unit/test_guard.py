"""Text that nobody said: what a model makes up for noise goes, and what was said stays, however it sounds."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from chronos.adapters.heard import passages
from chronos.config import Settings
from chronos.guard import Guard


def passage(text: str, at: float = 0.0, **said: float) -> dict[str, Any]:
    words = text.split()
    timed = [
        {"word": word, "start": at + i / len(words), "end": at + (i + 1) / len(words)} for i, word in enumerate(words)
    ]
    return {"start": at, "end": at + 1.0, "text": text, "words": timed} | said


def texts(*parts: dict[str, Any], guard: Guard = Guard()) -> list[str]:  # noqa: B008  # a frozen value
    return [one.text for one in passages({"text": "whatever", "segments": list(parts)}, 10.0, 40.0, guard=guard)]


def test_what_the_model_itself_takes_for_silence_and_is_not_sure_of_goes() -> None:
    invented = passage("Thanks for watching!", 0.0, no_speech_prob=0.9, avg_logprob=-1.3)
    assert texts(invented) == []
    assert texts(invented, passage("Good morning.", 5.0, no_speech_prob=0.1, avg_logprob=-0.2)) == ["Good morning."]


@pytest.mark.parametrize(
    "said",
    [{"no_speech_prob": 0.9, "avg_logprob": -0.2}, {"no_speech_prob": 0.1, "avg_logprob": -1.3}, {}],
    ids=["sung over music, and clear", "spoken badly", "a model that says nothing of itself"],
)
def test_in_doubt_it_is_speech(said: dict[str, float]) -> None:
    assert texts(passage("Sing along.", **said)) == ["Sing along."]


def test_the_words_of_what_goes_do_not_move_into_its_neighbours() -> None:
    parts = [passage("Thanks for watching!", 0.0, compression_ratio=3.1), passage("Good morning.", 5.0)]
    (kept,) = passages({"text": "", "segments": parts}, 10.0, 40.0)
    assert kept.words
    assert [word.text for word in kept.words] == ["Good", "morning."]


def test_of_a_loop_one_round_is_kept_with_the_times_of_its_words() -> None:
    (kept,) = passages({"text": "", "segments": [passage("Well, " + "thank you, " * 20 + "goodbye.")]}, 10.0, 40.0)
    assert kept.text == "Well, thank you, goodbye."
    assert kept.words
    assert [word.text for word in kept.words] == ["Well,", "thank", "you,", "goodbye."]
    assert kept.words[-1].end == 11.0


def test_a_loop_of_whole_passages_is_one() -> None:
    parts = [passage("I'm going to go.", at) for at in range(20)]
    assert texts(*parts, passage("Goodbye.", 25.0)) == ["I'm going to go.", "Goodbye."]


def test_what_people_do_say_several_times_stays() -> None:
    chant = "no no no no, never ever ever, " + "we will rock you, " * 8
    assert texts(passage(chant.strip())) == [chant.strip()]
    assert texts(passage("ha " * 4), guard=Guard(repeats=3)) == ["ha"]


@pytest.mark.parametrize("given", [{"repeats": 0}, {"no_speech": 2}, {"logprob": 1}, {"compresion": 2}])
def test_a_guard_that_makes_no_sense_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="repeats"):
        Settings(guard=given)
