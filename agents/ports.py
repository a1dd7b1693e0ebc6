"""What the functions need of the world, by need and not by vendor. chronos/adapters has what fulfils it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from schemas.batch import Chosen, EmbeddingsBatchReprocess
from schemas.event import Coordinates
from schemas.transcription import TranscriptionCompleted, TranscriptSegment
from schemas.webhook import Kind, Message
from streams.retry import Blocked, Paced, Refused, Unavailable
from streams.stage import PaidCall


class OutsideStore(Refused):
    """The storage path leaves the store: absolute, with `..`, through a link, of another scheme, host or address."""


class ObjectMissing(Refused):
    """The store has no such object."""


class StorageRefused(Refused):
    """The store does not give the object: no leave to read it, too large, or an answer that is no object."""


class StorageUnavailable(Unavailable):
    """The store did not answer, or the disk is full."""


class StorageInterrupted(StorageUnavailable):
    """The connection broke. What was got until then stays, and the rest is asked for."""


class StorageBusy(Paced):
    """The store asks for patience (429)."""


class UnreadableMedia(Refused):
    """The file is empty, cut off, not media, of a format that is not allowed, or has no sound."""


class MediaLimit(Refused):
    """Opening the file went past a limit on memory, time or size."""


class SpeechRefused(Refused):
    """The speech provider refuses this audio (400, 404, 413)."""


class SpeechUnavailable(Unavailable):
    """The speech provider failed, hung or answered nonsense (5xx, timeout, broken body)."""


class SpeechBusy(Paced):
    """The speech provider asks for patience (429)."""


class SpeechBlocked(Blocked):
    """The speech provider cannot be used with this key (401, 403), or its account has no quota left."""


class EmbeddingRefused(Refused):
    """The embedding provider refuses these texts (400, 404, 413)."""


class EmbeddingUnavailable(Unavailable):
    """The embedding provider failed, hung or answered nonsense (5xx, timeout, broken body)."""


class EmbeddingBusy(Paced):
    """The embedding provider asks for patience (429)."""


class EmbeddingBlocked(Blocked):
    """The embedding provider cannot be used with this key (401, 403), or its account has no quota left."""


class WebhookRefused(Refused):
    """The receiver does not take this message (4xx), redirects, or is where nobody may connect to."""


class WebhookUnavailable(Unavailable):
    """The receiver is away, failed, or gave no answer in time (5xx, timeout)."""


class WebhookBusy(Paced):
    """The receiver says when to come again (429 or 503 with Retry-After)."""


class TranscriptMissing(Refused):
    """No transcript stands at the place that was named."""


@dataclass(frozen=True)
class Fetched:
    """A source object on local disk, in the attempt's own directory."""

    file: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Segment:
    """A piece of a source's sound, 30 to 60 s, cut at silences. Its identity is (source, start, end)."""

    source_sha256: str
    index: int
    start: float  # seconds in the video's time
    end: float
    language: str | None
    sound: Path  # the attempt's decoded sound, from which its bytes are cut; no part of its identity
    track: int = 0  # of the source's audio tracks
    before: str = ""  # how what was said before it ended, where the provider is told that


@dataclass(frozen=True)
class Audio:
    """A video's sound, decoded to a file of the attempt's own, and where speech was found in it."""

    source: Fetched
    sound: Path
    codec: str
    duration: float  # seconds
    spans: tuple[tuple[float, float], ...]  # (start, end) seconds of each segment to be sent, in order
    pauses: tuple[tuple[float, float], ...]  # every silence that was found
    listener: str  # what found them: agents.cutter.Cutting.listener
    track: int = 0  # which of the source's audio tracks it is


class Scratch(Protocol):
    """Places for an attempt's files."""

    def room(self) -> AbstractAsyncContextManager[Path]:
        """A new empty directory, removed at the end of the block."""
        ...


class Storage(Protocol):
    """Where the videos are."""

    async def fetch(self, path: str, room: Path) -> Fetched:
        """Streams the object at `path` into `room`.

        Raises:
            OutsideStore, ObjectMissing, StorageRefused, StorageUnavailable, StorageBusy.
        """
        ...


class Media(Protocol):
    """Takes the sound out of videos."""

    async def extract_audio(self, source: Fetched, room: Path, language: str | None = None) -> Audio:
        """Decodes the sound in a child process with limits, and finds the silences to cut at.

        Of several audio tracks it takes the first one that is marked with the language, else the one that a player
        would take: the default, else the first.

        Raises:
            UnreadableMedia, MediaLimit, StorageUnavailable (disk full).
        """
        ...


class Speech(PaidCall[Segment], Protocol):
    """Speech to text, one segment a call. A result is the provider's answer as JSON."""

    @property
    def context(self) -> int:
        """How many characters of what was said before a call is told. Then calls are made one after the other; 0: side
        by side."""
        ...

    def hear(self, segment: Segment, result: bytes) -> tuple[list[TranscriptSegment], str | None]:
        """Timed passages in the video's time, and the language, out of a result. Pure.

        Times of the provider refine ours where there are any; they stay within the segment.
        """
        ...


class Hearing(Protocol):
    """Who hears for whom."""

    def of(self, creator_id: str) -> Speech:
        """The speech provider for this creator's videos."""
        ...


class Embedder(PaidCall[str], Protocol):
    """Text to vectors, up to 20 texts a call. A result is a vector: float32, little-endian."""

    @property
    def space(self) -> str:
        """The embedding space that it writes to: `model/dimensions`."""
        ...

    def surplus(self, text: str) -> int:
        """Tokens at the end of a text that the model does not take: its vector knows nothing of them. Pure."""
        ...


class Spaces(Protocol):
    """The embedding spaces that are in use here, and what embeds for each."""

    async def in_use(self, wanted: str | None) -> list[str]:
        """Their names, the one that search uses first. `wanted`: only this one, or those of this model.

        Raises:
            EmbeddingRefused: the one that is wanted is not in use.
        """
        ...

    def counter(self, space: str) -> Callable[[str], int] | None:
        """What counts the tokens of a text as the space's model does; None where nobody knows how. Pure."""
        ...

    async def embedder(self, space: str) -> Embedder | None:
        """None for one that was retired meanwhile.

        Raises:
            EmbeddingRefused: its model is not allowed here.
        """
        ...


class Transcripts(Protocol):
    """Transcripts that are on the log already."""

    async def read(self, at: Coordinates) -> tuple[str, TranscriptionCompleted]:
        """The fact at these coordinates, with its event id.

        Raises:
            TranscriptMissing.
        """
        ...


class Catalogue(Protocol):
    """What the projection knows of the videos."""

    async def choose(self, request: EmbeddingsBatchReprocess) -> list[Chosen]:
        """The videos of a batch that have a transcript, in the order of (creator, video)."""
        ...


class Erasure(Protocol):
    """The end of what is remembered of a video."""

    async def erase(self, creator_id: str, video_id: str, run_id: str) -> int:
        """Ends all runs of the video that are older than this one, now and for ever, and erases the paid results that
        no other video uses; gives how many went."""
        ...


class Notifier(Protocol):
    """Tells somebody."""

    async def notify(self, subject: str, text: str) -> tuple[str, str]:
        """Sends, and gives the channel and the target that it went to."""
        ...


class Webhooks(Protocol):
    """Receivers outside, each by its address without what may be secret in it."""

    def wanting(self, kind: Kind, creator_id: str) -> list[str]:
        """Those that want to hear of such an ending of a video of this creator."""
        ...

    async def deliver(self, target: str, id: str, message: Message) -> Literal["sent", "gone"]:
        """Sends a signed message. `id` is of what the message is about: who gets it twice sees the same. Gone: the
        receiver says that it is none any more.

        Raises:
            WebhookRefused, WebhookUnavailable, WebhookBusy.
        """
        ...
