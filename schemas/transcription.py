"""From a video to timed text: what transcribe-video is asked for and what it says."""

from __future__ import annotations

from pydantic import Field

from schemas.event import Command, Count, CreatorId, Fact, MicroUsd, Seconds, Sha256, VideoId, Wire


class TranscribeRequested(Command, name="transcribe.requested", version=1):
    """A producer asks for a video to be transcribed and made searchable."""

    video_id: VideoId
    creator_id: CreatorId
    storage_path: str = Field(min_length=1, max_length=4096, description="Key of the video in the store.")
    original_filename: str | None = None
    title: str | None = None
    language: str | None = Field(default=None, description="A hint, as an ISO 639-1 code.")

    def key(self) -> str:
        return self.creator_id


class TranscriptionStarted(Fact, name="transcription.started", version=1):
    """An attempt at a video's transcription has begun."""

    video_id: VideoId
    creator_id: CreatorId
    attempt: Count

    def part(self) -> str:
        return str(self.attempt)


class Span(Wire):
    """A piece of audio that is sent to the provider as one call: a place in time, not a file."""

    index: Count
    start: Seconds
    end: Seconds


class Pause(Wire):
    """A silence in a sound."""

    start: Seconds
    end: Seconds


class AudioExtracted(Fact, name="audio.extracted", version=3):
    """The video's sound was taken out and cut at silences. Silence between segments is not sent."""

    video_id: VideoId
    creator_id: CreatorId
    bytes: Count = Field(description="Size of the source object.")
    sha256: Sha256 = Field(description="Digest of the source object.")
    duration_seconds: Seconds
    codec: str
    segments: list[Span]
    pauses: list[Pause] | None = Field(
        default=None, description="Every silence that was found, so that a plan knows where another cutter would cut."
    )
    listener: str | None = Field(default=None, description="Name, version and settings of what found the pauses.")
    track: Count | None = Field(default=None, description="Which of the audio tracks it is; 0 is the first.")


class Word(Wire):
    """A word and its place in the video's time."""

    start: Seconds
    end: Seconds
    text: str


class SegmentTranscribed(Fact, name="segment.transcribed", version=1):
    """One paid answer of the speech provider, whole, so that the journal can be rebuilt from the log."""

    video_id: VideoId
    creator_id: CreatorId
    index: Count
    start_seconds: Seconds
    end_seconds: Seconds
    paid_key: str
    result: str = Field(description="The provider's result as JSON.")
    cost_micro_usd: MicroUsd = Field(description="What it cost when it was bought.")

    def part(self) -> str:
        return str(self.index)

    def paid_keys(self) -> tuple[str, ...]:
        return (self.paid_key,)


class TranscriptSegment(Wire):
    """A passage of the transcript in the video's time."""

    start: Seconds
    end: Seconds
    text: str
    words: list[Word] | None = None
    speaker: str | None = None


class Transcript(Wire):
    """A video's speech as timed text."""

    text: str
    language: str | None
    duration_seconds: Seconds
    model: str
    segments: list[TranscriptSegment]


class TranscriptionCompleted(Fact, name="transcription.completed", version=1):
    """A video's speech as timed text. Everything later is derived from it; it is never bought again."""

    video_id: VideoId
    creator_id: CreatorId
    audio_sha256: Sha256
    transcript: Transcript
