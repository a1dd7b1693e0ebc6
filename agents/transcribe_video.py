"""transcribe-video: from a video in the store to timed text on the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from agents.ports import Audio, Hearing, Media, Scratch, Segment, Speech, Storage
from schemas.transcription import (
    AudioExtracted,
    Pause,
    SegmentTranscribed,
    Span,
    TranscribeRequested,
    Transcript,
    TranscriptionCompleted,
    TranscriptionStarted,
    TranscriptSegment,
)
from streams.retry import Retry
from streams.stage import Kept, Step, function

Heard = Sequence[tuple[Segment, Kept]]


@function("transcribe-video", version=2, retry=Retry(attempts=3, first=5.0, cap=300.0))
async def transcribe_video(
    request: TranscribeRequested, step: Step, *, scratch: Scratch, storage: Storage, media: Media, hearing: Hearing
) -> AsyncIterator[TranscriptionStarted | AudioExtracted | SegmentTranscribed | TranscriptionCompleted]:
    """Speech to text. Times are ours, from where the audio was cut, so that any model gives them."""
    speech = hearing.of(request.creator_id)
    yield TranscriptionStarted(video_id=request.video_id, creator_id=request.creator_id, attempt=step.attempt)
    async with scratch.room() as room:
        source = await step("download", storage.fetch, request.storage_path, room)
        audio = await step("extract-audio", media.extract_audio, source, room, request.language)
        yield audio_extracted(request, audio)
        heard: list[tuple[Segment, Kept]] = []
        for turn in turns(segments(request, audio), speech):
            async for segment, kept in step.each("transcribe", speech, following(turn, heard, speech)):
                heard.append((segment, kept))
                yield segment_transcribed(request, segment, kept)
    yield completed(request, audio, heard, speech)


def segments(request: TranscribeRequested, audio: Audio) -> list[Segment]:
    """The pieces to be heard, in order."""
    return [
        Segment(audio.source.sha256, index, start, end, request.language, audio.sound, audio.track)
        for index, (start, end) in enumerate(audio.spans)
    ]


def turns(pieces: list[Segment], speech: Speech) -> list[list[Segment]]:
    """What is heard at once: all of it, or one after the other where each is told how the one before it ended."""
    return [[piece] for piece in pieces] if speech.context else [pieces]


def following(turn: list[Segment], heard: Heard, speech: Speech) -> list[Segment]:
    """A turn that knows how what was heard before it ended. That is out of the journal in every run, so that a
    segment's key is the same in every run."""
    if not heard or not speech.context:
        return turn
    last, kept = heard[-1]
    timed, _ = speech.hear(last, kept.result)
    before = ending(" ".join(passage.text for passage in timed), speech.context)
    return [replace(piece, before=before) for piece in turn]


def ending(text: str, most: int) -> str:
    """The last whole words of a text, as many as fit into so many characters."""
    return text if len(text) <= most else text[-most - 1 :].partition(" ")[2]


def audio_extracted(request: TranscribeRequested, audio: Audio) -> AudioExtracted:
    return AudioExtracted(
        video_id=request.video_id,
        creator_id=request.creator_id,
        bytes=audio.source.bytes,
        sha256=audio.source.sha256,
        duration_seconds=audio.duration,
        codec=audio.codec,
        segments=[Span(index=index, start=start, end=end) for index, (start, end) in enumerate(audio.spans)],
        pauses=[Pause(start=start, end=end) for start, end in audio.pauses],
        listener=audio.listener,
        track=audio.track,
    )


def segment_transcribed(request: TranscribeRequested, segment: Segment, kept: Kept) -> SegmentTranscribed:
    return SegmentTranscribed(
        video_id=request.video_id,
        creator_id=request.creator_id,
        index=segment.index,
        start_seconds=segment.start,
        end_seconds=segment.end,
        paid_key=kept.key,
        result=kept.result.decode(),
        cost_micro_usd=kept.cost_micro_usd,
    )


def completed(request: TranscribeRequested, audio: Audio, heard: Heard, speech: Speech) -> TranscriptionCompleted:
    """The transcript out of all that was heard. Silence was not sent, so that nothing is invented for it."""
    passages: list[TranscriptSegment] = []
    languages: list[str] = []
    for segment, kept in heard:
        timed, language = speech.hear(segment, kept.result)
        passages += timed
        languages += [language] if language else []
    return TranscriptionCompleted(
        video_id=request.video_id,
        creator_id=request.creator_id,
        audio_sha256=audio.source.sha256,
        transcript=Transcript(
            text=" ".join(passage.text for passage in passages),
            language=max(languages, key=languages.count) if languages else request.language,
            duration_seconds=audio.duration,
            model=speech.model,
            segments=passages,
        ),
    )
