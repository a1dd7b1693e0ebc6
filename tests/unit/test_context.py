"""Calls that are told how the one before ended: in order, and with the same keys in every run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agents.ports import Audio, Fetched, Segment
from agents.transcribe_video import transcribe_video
from chronos.adapters.openai_client import connect
from chronos.adapters.openai_speech import OpenAiSpeech
from schemas.transcription import SegmentTranscribed, TranscribeRequested
from streams.stage import Kept

SPANS = ((0.0, 40.0), (40.0, 80.0), (80.0, 120.0))
NOWHERE = Path("nowhere")


class _World:
    """Scratch, store and media of a sound that is known."""

    @asynccontextmanager
    async def room(self) -> AsyncIterator[Path]:
        yield NOWHERE

    async def fetch(self, path: str, room: Path) -> Fetched:
        return Fetched(NOWHERE, 1, "a" * 64)

    async def extract_audio(self, source: Fetched, *_: Any) -> Audio:
        return Audio(source, NOWHERE, "aac", 120.0, SPANS, (), "nobody")


@dataclass
class _Steps:
    """Answers out of a journal; what is not in there is bought, and may break the run off."""

    journal: dict[str, bytes] = field(default_factory=dict)
    bought: list[Segment] = field(default_factory=list)
    rounds: int = 0
    money: int = 99
    attempt = 1

    async def __call__(self, name: str, effect: Any, *args: Any) -> Any:
        return await effect(*args)

    async def each(self, name: str, call: Any, arguments: Sequence[Segment]) -> AsyncIterator[tuple[Segment, Kept]]:
        self.rounds += 1
        for segment in arguments:
            key = call.key(segment)
            if key not in self.journal:
                if len(self.bought) == self.money:
                    raise ConnectionError
                self.bought.append(segment)
                self.journal[key] = json.dumps({"text": f"what was said in call {segment.index}"}).encode()
            yield segment, Kept(key, self.journal[key], 40.0, 4000)


@dataclass
class _Hearing:
    speech: OpenAiSpeech

    def of(self, creator_id: str) -> OpenAiSpeech:
        return self.speech


async def run(steps: _Steps, *, model: str = "gpt-transcribe", context: bool = True) -> list[str]:
    """The keys of what was heard."""
    request = TranscribeRequested(video_id="v", creator_id="c", storage_path="v.mp4")
    world = _World()
    async with connect("http://127.0.0.1:9/v1", "none", timeout=1) as client:
        hearing = _Hearing(OpenAiSpeech(client, model, micro_usd_per_minute={}, context=context))
        body = transcribe_video.body(request, steps, scratch=world, storage=world, media=world, hearing=hearing)
        return [fact.paid_key async for fact in body if isinstance(fact, SegmentTranscribed)]


async def test_each_call_is_told_how_the_one_before_it_ended() -> None:
    steps = _Steps()
    await run(steps)
    assert [segment.before for segment in steps.bought] == [
        "",
        "what was said in call 0",
        "what was said in call 1",
    ]
    assert steps.rounds == 3


async def test_a_run_that_broke_off_buys_nothing_twice() -> None:
    steps = _Steps(money=2)
    with pytest.raises(ConnectionError):
        await run(steps)
    steps.money = 99
    keys = await run(steps)
    assert len(steps.bought) == len(set(keys)) == len(SPANS)
    assert await run(steps) == keys
    assert len(steps.bought) == len(SPANS)


@pytest.mark.parametrize(("model", "context"), [("gpt-transcribe", False), ("gpt-4o-transcribe-diarize", True)])
async def test_without_it_or_with_a_model_that_takes_no_prompt_calls_are_made_side_by_side(
    model: str, context: bool
) -> None:
    steps = _Steps()
    await run(steps, model=model, context=context)
    assert steps.rounds == 1
    assert {segment.before for segment in steps.bought} == {""}
