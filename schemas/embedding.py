"""From timed text to vectors: what generate-embeddings is asked for and what it says."""

from __future__ import annotations

from pydantic import Field

from schemas.event import Command, Coordinates, Count, CreatorId, EventId, Fact, MicroUsd, Seconds, VideoId, Wire


class ChunkRequested(Command, name="chunk.requested", version=1):
    """A transcript that is on the log is to be cut and embedded again."""

    video_id: VideoId
    creator_id: CreatorId
    reason: str
    embedding_model: str | None = Field(
        default=None, description="Only this model's spaces, or only this space; all spaces if absent."
    )
    transcript: Coordinates = Field(description="Where its transcription.completed stands.")

    def part(self) -> str:
        return f"{self.creator_id}/{self.video_id}"


class EmbeddingStarted(Fact, name="embedding.started", version=1):
    """An attempt at a transcript's embedding has begun."""

    video_id: VideoId
    creator_id: CreatorId
    attempt: Count
    transcript_id: EventId

    def part(self) -> str:
        return str(self.attempt)


class Chunk(Wire):
    """A passage of 500 to 1,000 words, overlapping its neighbours, with its place in the video's time."""

    index: Count
    text: str
    start_seconds: Seconds
    end_seconds: Seconds
    words: Count
    tokens: Count


class TranscriptChunked(Fact, name="transcript.chunked", version=1):
    """A transcript was cut into chunks, to be embedded for the spaces named, chosen once."""

    video_id: VideoId
    creator_id: CreatorId
    chunk_set_id: str
    transcript_id: EventId
    chunker: str = Field(description="Name, version and settings of what cut it.")
    spaces: list[str]
    chunks: list[Chunk]


class Vector(Wire):
    """One chunk's embedding."""

    index: Count = Field(description="Index of the chunk in its set.")
    paid_key: str
    values: bytes = Field(description="float32, little-endian.")
    tokens: Count = Field(description="This text's share of the call's tokens.")
    cost_micro_usd: MicroUsd = Field(description="This text's share of what the call cost when it was made.")
    left_out: Count = Field(default=0, description="Tokens at the text's end that the model does not take.")


class ChunksEmbedded(Fact, name="chunks.embedded", version=2):
    """A batch of a chunk set's vectors in one embedding space."""

    video_id: VideoId
    creator_id: CreatorId
    chunk_set_id: str
    space: str
    batch: Count
    batches: Count
    vectors: list[Vector]

    def part(self) -> str:
        return f"{self.space}/{self.batch}"

    def paid_keys(self) -> tuple[str, ...]:
        return tuple(vector.paid_key for vector in self.vectors)


class EmbeddingsCompleted(Fact, name="embeddings.completed", version=2):
    """All chunks of a set have their vectors in this space: the video can be searched."""

    video_id: VideoId
    creator_id: CreatorId
    chunk_set_id: str
    space: str
    chunks: Count
    left: Count = Field(default=0, description="How many spaces of the set are still to be said complete.")

    def part(self) -> str:
        return self.space
