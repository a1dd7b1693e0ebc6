"""The facts that would have made a video of the old system, as its functions would have said them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from agents.generate_embeddings import BATCH, chunk_set_id, generate_embeddings
from agents.transcribe_video import transcribe_video
from chronos.embedders import parts_of
from chronos.old_system import OldChunk, OldTranscript, OldVideo
from chronos.tokens import vocabulary
from schemas.avro import data_schema
from schemas.embedding import Chunk, ChunksEmbedded, EmbeddingsCompleted, EmbeddingStarted, TranscriptChunked, Vector
from schemas.event import Event
from schemas.transcription import (
    AudioExtracted,
    TranscribeRequested,
    Transcript,
    TranscriptionCompleted,
    TranscriptionStarted,
    TranscriptSegment,
)
from streams.codec import SOURCE, Codec, Received
from streams.envelope import Envelope
from streams.identity import event_id, imported_run
from streams.stage import Function

BY = "import"
CHUNKER = "imported"  # whatever cut them there
NOT_KNOWN = "0" * 64  # digest of a sound that nobody here has read


@dataclass(frozen=True)
class Ways:
    """How facts are said here: each function's fingerprint, the vectors' space, and a text's key in the journal."""

    fingerprints: Mapping[str, str]
    space: str
    key: Callable[[str], str]


class Speech(NamedTuple):
    """Who says something, and of what."""

    run_id: str
    function: str
    fingerprint: str
    cause_id: str


def run_of(video: OldVideo) -> str:
    return imported_run(_ms(video), video.creator, video.id)


def why_not(video: OldVideo, space: str) -> str | None:
    """What keeps a video from being imported; None where nothing does."""
    try:
        _requested(video)
    except ValidationError as error:
        wrong = error.errors()[0]
        return f"its {wrong['loc'][0]}: {wrong['msg']}"
    if video.unreadable:
        return video.unreadable
    if video.transcript is None:
        return f"it has no transcript (status {video.status})"
    return next((why for chunk in video.chunks if (why := _wrong(chunk, space))), None)


def _wrong(chunk: OldChunk, space: str) -> str | None:
    if chunk.start is None or chunk.end is None or chunk.start < 0 or chunk.end < chunk.start:
        return f"the chunk {chunk.text[:40]!r} has no times"
    _, dimensions = parts_of(space)
    if chunk.vector is not None and len(chunk.vector) != 4 * dimensions:
        return f"a vector has {len(chunk.vector) // 4} dimensions, and {space} has {dimensions}: see --space"
    return None


def is_embedded(video: OldVideo) -> bool:
    """Whether all of its chunks have vectors; silence has no chunks."""
    silent = video.transcript is not None and not video.transcript.text.strip()
    return bool(video.chunks or silent) and all(chunk.vector is not None for chunk in video.chunks)


def facts(video: OldVideo, ways: Ways) -> Iterator[Received]:
    """In the order in which they would have been said, the same each time. Without vectors, up to the transcript."""
    assert video.transcript is not None
    asked = _said(video, _requested(video), Speech(run_of(video), BY, "1", ""))
    yield asked
    yield from (_said(video, event, _speech(asked, transcribe_video, ways)) for event in _transcribed(video))
    done = _said(video, _completed(video, video.transcript), _speech(asked, transcribe_video, ways))
    yield done
    if is_embedded(video):
        speech = _speech(done, generate_embeddings, ways)
        yield from (_said(video, event, speech) for event in _embedded(video, done.id, ways))


def _speech(heard: Received, function: Function, ways: Ways) -> Speech:
    return Speech(heard.run_id, function.name, ways.fingerprints[function.name], heard.id)


def _said(video: OldVideo, event: Event, by: Speech) -> Received:
    about = by.cause_id or f"{video.creator}/{video.id}"
    envelope = Envelope(
        id=event_id(about, by.function, by.fingerprint, event.name, event.part()),
        type=event.name,
        source=f"{SOURCE}/{BY}",
        time=video.created,
        subject=event.subject(),
        run_id=by.run_id,
        cause_id=by.cause_id,
        sequence=_ms(video) * 1000,
        function=f"{by.function} {by.fingerprint}",
        schema=data_schema(type(event)),
    )
    said = (envelope.id, by.run_id, envelope.sequence, envelope.time)
    return Received(event, *said, Codec.write(event, envelope), envelope.function, by.cause_id)


def _ms(video: OldVideo) -> int:
    return max(0, int(video.created.timestamp() * 1000))


def _me(video: OldVideo) -> dict[str, str]:
    return {"video_id": video.id, "creator_id": video.creator}


def _requested(video: OldVideo) -> TranscribeRequested:
    """
    Raises:
        ValidationError: its ids or its path are none that can be asked for.
    """
    path, name = video.path or "", video.filename
    return TranscribeRequested(**_me(video), storage_path=path, original_filename=name, title=video.title)


def _transcribed(video: OldVideo) -> Iterator[Event]:
    yield TranscriptionStarted(**_me(video), attempt=1)
    if video.duration is not None:
        yield AudioExtracted(
            **_me(video), bytes=0, sha256=NOT_KNOWN, duration_seconds=video.duration, codec="unknown", segments=[]
        )


def _completed(video: OldVideo, spoken: OldTranscript) -> TranscriptionCompleted:
    """Where nothing is known of when what was said, the whole is one passage, and its time is shared out by letters."""
    ends = [segment.end for segment in spoken.segments] + [chunk.end or 0.0 for chunk in video.chunks]
    length = max([video.duration or 0.0, *ends])
    whole = [TranscriptSegment(start=0.0, end=length, text=spoken.text)] if spoken.text.strip() else []
    transcript = Transcript(
        text=spoken.text,
        language=spoken.language,
        duration_seconds=length,
        model=spoken.model or CHUNKER,
        segments=list(spoken.segments) or whole,
    )
    return TranscriptionCompleted(**_me(video), audio_sha256=NOT_KNOWN, transcript=transcript)


def _embedded(video: OldVideo, transcript_id: str, ways: Ways) -> Iterator[Event]:
    yield EmbeddingStarted(**_me(video), attempt=1, transcript_id=transcript_id)
    of = {**_me(video), "chunk_set_id": chunk_set_id(transcript_id, transcript_id, CHUNKER)}
    chunks = [_chunk(index, chunk, ways) for index, chunk in enumerate(video.chunks)]
    yield TranscriptChunked(
        **of, transcript_id=transcript_id, chunker=CHUNKER, spaces=[ways.space], chunks=chunks
    )  # fmt: skip
    vectors = [_vector(index, chunk, ways) for index, chunk in enumerate(video.chunks)]
    batches = -(-len(vectors) // BATCH)
    for batch in range(batches):
        some = vectors[batch * BATCH : (batch + 1) * BATCH]
        yield ChunksEmbedded(**of, space=ways.space, batch=batch, batches=batches, vectors=some)
    yield EmbeddingsCompleted(**of, space=ways.space, chunks=len(chunks))


def _chunk(index: int, chunk: OldChunk, ways: Ways) -> Chunk:
    words, tokens = len(chunk.text.split()), _tokens(chunk, ways)
    start, end = chunk.start or 0.0, chunk.end or 0.0
    return Chunk(index=index, text=chunk.text, start_seconds=start, end_seconds=end, words=words, tokens=tokens)


def _vector(index: int, chunk: OldChunk, ways: Ways) -> Vector:
    """Under the key of its text, so that it is not bought here either; the old system has paid for it."""
    tokens = _tokens(chunk, ways)
    return Vector(
        index=index, paid_key=ways.key(chunk.text), values=chunk.vector or b"", tokens=tokens, cost_micro_usd=0
    )


def _tokens(chunk: OldChunk, ways: Ways) -> int:
    """As the old system counted them, or as the model does."""
    return vocabulary(parts_of(ways.space)[0]).count(chunk.text) if chunk.tokens is None else chunk.tokens
