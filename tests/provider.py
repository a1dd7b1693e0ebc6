"""A paid AI provider for tests: a real HTTP server on loopback that keeps a bill and can be told to fail.

It is the server of chronos.devstack.local_ai with models that cost no time, behind a gate where faults happen. What it
says depends on the content alone: the same audio gives the same words, and texts that share words have near vectors.

    with Provider() as provider:
        provider.fail(next=3, status=429, retry_after=1)
        ...                       # use provider.base_url
        assert provider.bought_twice() == []

Or as a process that outlives the workers of a test: `python -m tests.provider --port 8300`, told what to do by
POST /control (a JSON object {"do": "fail", "next": 3, "status": 429}; every method below that says so), with the bill
at GET /bill and all calls at GET /calls.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import random
import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import av
import numpy as np
import uvicorn
from av.error import FFmpegError
from fastapi import FastAPI

from chronos.devstack.local_ai.bill import Charge
from chronos.devstack.local_ai.models import BadInput, Embedded, Heard, HeardSegment, HeardWord
from chronos.devstack.local_ai.server import Service, create_app
from chronos.models import SPEECH_MODELS
from chronos.tokens import vocabulary
from tests.provider_gate import About, Call, Fault, Gate
from tests.provider_models import UNKNOWN, answer_as_each_model

EMBEDDERS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "multilingual-e5-small": 384, "noise": 64}
SPEECH = (*SPEECH_MODELS, "whisper-tiny.en", UNKNOWN)

PACE = 0.4  # seconds a word
SENTENCE = 10  # words
WORDS = (
    "tide",
    "moon",
    "bread",
    "yeast",
    "log",
    "table",
    "river",
    "stone",
    "cloud",
    "lamp",
    "green",
    "slowly",
    "turns",
)


class Provider:
    """The server, run by a thread of this process. Every method may be called while it answers."""

    def __init__(
        self, port: int = 0, *, hearing: Callable[[str], Speech] | None = None, about: About | None = None
    ) -> None:
        """`hearing` makes another speech model of a name; `about` says of a call's kind and body what it is about."""
        self._bill = _MemoryBill()
        self._speech = [(hearing or Speech)(name) for name in SPEECH]
        self._heard: list[tuple[str, str | None, str]] = []
        for speech in self._speech:
            speech.notes = self._heard
        service = Service(self._speech, [_Embedder(name, size) for name, size in EMBEDDERS.items()], self._bill)
        app = create_app(service)
        answer_as_each_model(app, service)
        self._add_controls(app)
        self._gate = Gate(app, self._bill.charges, *([about] if about else []))
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        config = uvicorn.Config(
            self._gate, log_level="critical", access_log=False, ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],), name="provider")

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.release()
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.close()

    def wait(self) -> None:
        """Serves until the process is told to stop: uvicorn hears signals only in the main thread."""
        self._server.run([self._listening])

    # What was called and paid

    def calls(self) -> list[Call]:
        """Every call to a paid route, in the order of arrival, those in the air as well."""
        return self._gate.calls()

    async def settled(self, seconds: float = 5.0) -> list[Call]:
        """All calls so far, as soon as none is in the air. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while any(call.ended is None for call in self.calls()):  # noqa: ASYNC110  # another thread's loop ends them
                await asyncio.sleep(0.01)
        return self.calls()

    def bill(self) -> list[Charge]:
        """What was paid for, in the order of payment: also answers that were cut or spoilt on their way."""
        return self._bill.charges()

    def bought(self) -> Counter[str]:
        """How often each content was paid for, by its sha256."""
        return Counter(digest for charge in self.bill() for digest in charge.sha256)

    def bought_twice(self) -> list[str]:
        """Contents that were paid for more than once."""
        return [digest for digest, times in self.bought().items() if times > 1]

    def heard(self) -> list[tuple[str, str | None, str]]:
        """Model, prompt and answer of each audio, in the order of the answers."""
        return self._heard.copy()

    # Faults. `next`: how many calls it is for (None: all, until clear()); `kind`: "audio", "embeddings" or both.

    def fail(
        self,
        *,
        next: int | None = 1,
        status: int = 500,
        retry_after: float | None = None,
        kind: str | None = None,
        code: str | None = None,
    ) -> None:
        """Refuses calls with this status, unpaid. `code`: OpenAI's word for it, such as insufficient_quota."""
        self._gate.expect(Fault("status", next, kind, status=status, retry_after=retry_after, code=code))

    def hang(self, *, next: int | None = 1, kind: str | None = None) -> None:
        """Takes calls and never answers, unpaid. clear() lets them go, with the connection closed."""
        self._gate.expect(Fault("hang", next, kind))

    def cut(self, *, next: int | None = 1, kind: str | None = None) -> None:
        """Takes the money and closes the connection in the middle of the body."""
        self._gate.expect(Fault("cut", next, kind))

    def nonsense(self, *, next: int | None = 1, kind: str | None = None, body: str = '{"surprise": true}') -> None:
        """Takes the money and answers 200 with another body."""
        self._gate.expect(Fault("nonsense", next, kind, body=body))

    def slow(self, seconds: float) -> None:
        """Every call takes at least this long, several at once."""
        self._gate.seconds = seconds

    def say(self, text: str | None) -> None:
        """What is heard in every audio from now on, spread evenly over it. None: words drawn from the content."""
        for speech in self._speech:
            speech.text = text

    def forgive(self) -> None:
        """Forgets faults that were not used up, and lets hanging calls go."""
        self._gate.forgive()

    def clear(self) -> None:
        """Forgets faults, calls, bill and sayings."""
        self._gate.clear()
        self._bill.clear()
        self._heard.clear()
        self.say(None)

    def _add_controls(self, app: FastAPI) -> None:
        doings = {"fail", "hang", "cut", "nonsense", "slow", "say", "forgive", "clear"}

        @app.post("/control")
        async def control(order: dict[str, Any]) -> dict[str, str]:
            do = order.pop("do")
            if do not in doings:
                raise BadInput(f"cannot {do}; it can {', '.join(sorted(doings))}", "do")
            getattr(self, do)(**order)
            return {"done": do}

        @app.get("/calls")
        async def calls() -> list[dict[str, Any]]:
            return [asdict(call) for call in self.calls()]


class _MemoryBill:
    def __init__(self) -> None:
        self._charges: list[Charge] = []

    def add(self, charge: Charge) -> None:
        self._charges.append(charge)

    def charges(self) -> list[Charge]:
        return self._charges.copy()

    def clear(self) -> None:
        self._charges = []


class Speech:
    """Hears words that its audio's digest draws, as many as fit into it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text: str | None = None
        self.notes: list[tuple[str, str | None, str]] = []

    def load(self) -> None:
        """There is nothing to load."""

    def hear(self, audio: bytes, *, language: str | None, prompt: str | None) -> Heard:
        duration = _duration(audio)
        words = self.text.split() if self.text is not None else draw(audio, max(1, int(duration / PACE)))
        self.notes.append((self.name, prompt, " ".join(words)))
        return Heard("english", duration, tuple(spread(words, duration)))


class _Embedder:
    """Puts each word at four places of the vector, which the word alone decides, and adds them up."""

    def __init__(self, name: str, dimensions: int) -> None:
        self.name = name
        self._dimensions = dimensions

    def load(self) -> None:
        """There is nothing to load."""

    def embed(self, texts: Sequence[str], *, dimensions: int | None) -> Embedded:
        if dimensions not in (None, self._dimensions) and not self.name.startswith("text-embedding-3-"):
            raise BadInput(f"{self.name} gives {self._dimensions} dimensions, not {dimensions}", "dimensions")
        vectors = np.zeros((len(texts), dimensions or self._dimensions), dtype=np.float32)
        tokens = 0
        for vector, text in zip(vectors, texts, strict=True):
            words = re.findall(r"\w+", text.lower()) or [text]
            tokens += vocabulary(self.name).count(text)
            if vocabulary(self.name).surplus(text):
                raise BadInput("This model's maximum context length is 8191 tokens", "input")
            for word in [text] if self.name == "noise" else words:  # a model that knows whole texts alone is worthless
                places, signs = _places(word)
                np.add.at(vector, places % len(vector), signs)
            vector /= np.linalg.norm(vector) or 1.0
        return Embedded(vectors, tokens)


def _duration(audio: bytes) -> float:
    try:
        with av.open(io.BytesIO(audio), "r") as sound:
            frames = sound.decode(sound.streams.audio[0])
            return round(sum(frame.samples / frame.sample_rate for frame in frames), 3)
    except (FFmpegError, IndexError) as error:
        raise BadInput(f"The audio could not be decoded: {error}", "file") from error


def draw(audio: bytes, count: int) -> list[str]:
    dice = random.Random(hashlib.sha256(audio).digest())
    words = [dice.choice(WORDS) for _ in range(count)]
    return [f"{word}." if (index + 1) % SENTENCE == 0 else word for index, word in enumerate(words)]


def spread(words: list[str], duration: float) -> list[HeardSegment]:
    """Words in segments of a sentence, evenly over the audio."""
    each = duration / max(1, len(words))
    timed = [HeardWord(w, round(i * each, 3), round((i + 1) * each, 3)) for i, w in enumerate(words)]
    parts = [tuple(timed[i : i + SENTENCE]) for i in range(0, len(timed), SENTENCE)]
    return [HeardSegment(part[0].start, part[-1].end, " ".join(w.word for w in part), part) for part in parts]


@lru_cache(maxsize=50_000)
def _places(word: str) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.float32]]]:
    drawn = np.frombuffer(hashlib.sha256(word.encode()).digest(), dtype="<u4")
    return drawn[:4].astype(np.int64), np.where(drawn[4:] % 2, 1, -1).astype(np.float32)


def main(make: Callable[[int], Provider] = Provider) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    provider = make(parser.parse_args().port)
    sys.stdout.write(f"{provider.base_url}\n")
    sys.stdout.flush()
    provider.wait()


if __name__ == "__main__":
    main()
