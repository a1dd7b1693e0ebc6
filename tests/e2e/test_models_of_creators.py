"""A model for each creator, and calls that are told what was said before, through the whole stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.transcribe_video import ending
from chronos import queries
from chronos.adapters.openai_speech import CONTEXT
from tests.films import film, noise
from tests.stack import Hands, Stack, new_stack, until

SETTINGS = {
    "CHRONOS_CREATOR_MODELS": json.dumps({"bob": "gpt-transcribe"}),
    "CHRONOS_SPEECH_CONTEXT": "true",
    "CHRONOS_SPEECH_PRICES": json.dumps({"whisper-1": 6_000, "gpt-transcribe": 12_000}),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_functions(more=SETTINGS)
        stack.start_projection()
        yield stack


async def transcribed(hands: Hands, video: str, creator: str, file: Path) -> str:
    """The text, once its video is done."""
    status = await hands.ending(await hands.ask(video, creator, await hands.upload(file, creator)))
    assert status["status"] == "completed"
    return str((await queries.transcript(hands.pool, video, creator))["text"])


async def test_each_creators_videos_are_heard_and_billed_by_the_creators_own_model(
    hands: Hands, stack: Stack, tmp_path: Path
):
    """The same film: what one model heard of it is not given to the other's creator."""
    file = film(tmp_path / "talk.mp4", (0, noise(6)))
    await transcribed(hands, "ada-talk", "ada", file)
    await transcribed(hands, "bob-talk", "bob", file)
    bought = [(charge.model, charge.seconds) for charge in stack.provider.bill() if charge.kind == "transcription"]
    assert [model for model, _ in bought] == ["whisper-1", "gpt-transcribe"]
    models = await hands.pool.fetch("SELECT creator_id, model FROM transcripts ORDER BY creator_id")
    assert [tuple(row) for row in models] == [("ada", "whisper-1"), ("bob", "gpt-transcribe")]

    async def costs() -> dict[str, int] | None:
        sql = "SELECT creator_id, cost_micro_usd FROM usage WHERE kind = 'audioSeconds'"
        found = {row["creator_id"]: row["cost_micro_usd"] for row in await hands.pool.fetch(sql)}
        return found if len(found) > 1 else None

    paid = await until("both are on the bill", costs)
    assert paid["bob"] == pytest.approx(2 * paid["ada"], abs=1)


@pytest.mark.parametrize("creator", ["ada", "bob"])
async def test_each_call_is_told_how_the_one_before_it_ended(hands: Hands, stack: Stack, tmp_path: Path, creator: str):
    seconds = 4.0 if creator == "ada" else 5.0  # else the sound would be known already
    stretches = [(at * (seconds + 3), noise(seconds)) for at in range(3)]
    text = await transcribed(hands, f"{creator}-series", creator, film(tmp_path / "series.mp4", *stretches))
    asked = stack.provider.heard()
    assert len(asked) == 3
    answers = [answer for _, _, answer in asked]
    assert [prompt for _, prompt, _ in asked] == [None, *(ending(answer, CONTEXT) for answer in answers[:-1])]
    assert text == " ".join(answers)
