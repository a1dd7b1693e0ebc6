"""send-webhooks: receivers outside are told that a video is completed, or that it has failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from agents.generate_embeddings import generate_embeddings
from agents.ports import Webhooks
from agents.transcribe_video import transcribe_video
from schemas.embedding import EmbeddingsCompleted
from schemas.running import FunctionFailed, NotificationSent
from schemas.webhook import Ending, Kind, Message
from streams.retry import Fault, Paced, Refused, Retry
from streams.stage import Step, function

CHANNEL = "webhook"
OF_A_VIDEO = (transcribe_video.name, generate_embeddings.name)  # whose failure is the video's

Fact = EmbeddingsCompleted | FunctionFailed  # the type of send_webhooks' input

RETRY = Retry(attempts=18, first=1.0, cap=6 * 3600.0)
"""Six attempts in the first minute, for a receiver that is being deployed; the last after 21 hours, for one that people
have to mend."""


def kind_of(fact: Fact) -> Kind | None:
    """What receivers call it. None: it is not the end of a video."""
    if isinstance(fact, EmbeddingsCompleted):
        return None if fact.left else "video.completed"
    ends_a_video = fact.function in OF_A_VIDEO and fact.video_id and fact.creator_id
    return "video.failed" if ends_a_video else None


def ends_a_video(fact: Fact) -> bool:
    return kind_of(fact) is not None


@function("send-webhooks", version=1, retry=RETRY, deadline=600.0, accepts=ends_a_video)
async def send_webhooks(
    ending: EmbeddingsCompleted | FunctionFailed, step: Step, *, webhooks: Webhooks
) -> AsyncIterator[NotificationSent]:
    """Each receiver is asked by itself, and never again once it has the message: one that fails repeats no other."""
    said = message(ending, step)
    targets = webhooks.wanting(said.type, said.data.creator_id)
    answers = await asyncio.gather(*(deliver(target, said, step, webhooks) for target in targets))
    for target, answer in zip(targets, answers, strict=True):
        if isinstance(answer, str):
            yield NotificationSent(
                video_id=said.data.video_id,
                creator_id=said.data.creator_id,
                channel=CHANNEL,
                target=target,
                status=answer,
            )
    if faults := [answer for answer in answers if isinstance(answer, Fault)]:
        raise min(faults, key=_hopeless)


async def deliver(target: str, said: Message, step: Step, webhooks: Webhooks) -> str | Fault:
    """What came of it, or what is in the way."""
    try:
        answer = await step.once(delivery(target), partial(_send, target, said, step.input_id, webhooks))
    except Fault as fault:
        return fault
    return answer.decode()


async def _send(target: str, said: Message, input_id: str, webhooks: Webhooks) -> bytes:
    return (await webhooks.deliver(target, input_id, said)).encode()


def delivery(target: str) -> str:
    """The name under which it is kept that a receiver has the message."""
    return f"{CHANNEL} {target}"


def _hopeless(fault: Fault) -> int:
    """What may still work goes first: the run is tried again for its sake. What uses attempts up goes before what does
    not, since a receiver that always asks for patience must not keep another's attempts from ending."""
    return 2 if isinstance(fault, Refused) else 1 if isinstance(fault, Paced) else 0


def message(fact: Fact, step: Step) -> Message:
    kind, video_id, creator_id = kind_of(fact), fact.video_id, fact.creator_id
    assert kind is not None  # the function accepts nothing else
    assert video_id is not None
    assert creator_id is not None
    failed = fact if isinstance(fact, FunctionFailed) else None
    data = Ending(
        video_id=video_id,
        creator_id=creator_id,
        run_id=step.run_id,
        chunks=fact.chunks if isinstance(fact, EmbeddingsCompleted) else None,
        function=failed and failed.function,
        attempts=failed and failed.attempts,
        error=failed and failed.error,
    )
    return Message(type=kind, timestamp=step.input_at, data=data)
