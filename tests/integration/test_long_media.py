"""Three hours of sound: words are found where they are said, silence costs nothing, and memory is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from agents.chunker import Chunking, chunk
from agents.ports import Audio, Segment
from agents.transcribe_video import completed, segments
from chronos.adapters.media import PyAvMedia
from chronos.adapters.openai_client import connect
from chronos.adapters.openai_speech import OpenAiSpeech
from chronos.adapters.sound import RATE
from chronos.devstack.local_ai.models import WhisperTiny
from schemas.transcription import TranscribeRequested, Word
from tests.films import encoded, fetched, hours_of_silence

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT.parent / "shared" / "data" / "speech"
NAMES = ("jfk.flac", "austen-1.wav", "austen-2.wav")

HOURS = 3
EVERY = 60.0  # seconds from the start of one recording to that of the next
FIRST = 7.25
COUNT = round(HOURS * 3600 / EVERY)
MOST_MEMORY = 300 << 20

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the project"),
]


def recording(name: str) -> np.ndarray:
    """Samples between -1 and 1, at 16 kHz."""
    with av.open(str(RECORDINGS / name)) as file:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [out for frame in file.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32) / 32768


def starts() -> Iterator[tuple[float, str]]:
    """When which recording begins."""
    for index in range(COUNT):
        yield FIRST + index * EVERY, NAMES[index % len(NAMES)]


@pytest.fixture(scope="module")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours, every minute a recording, and the faint noise of a quiet room's microphone in between."""
    file = tmp_path_factory.mktemp("long") / "lecture.m4a"
    known = {name: recording(name) for name in NAMES}
    hush = np.random.default_rng(1).normal(0, 5e-5, round(EVERY * RATE)).astype(np.float32)
    with av.open(str(file), "w") as out:
        stream = out.add_stream("aac", rate=RATE, layout="mono")
        for index, (_, name) in enumerate(starts()):
            minute = hush.copy()
            minute[round(FIRST * RATE) :][: len(known[name])] += known[name]
            out.mux(list(encoded(stream, index * EVERY, minute)))
        out.mux(stream.encode(None))
    return file


@pytest.fixture(scope="module")
async def heard(lecture: Path, tmp_path_factory: pytest.TempPathFactory) -> Audio:
    return await PyAvMedia().extract_audio(fetched(lecture), tmp_path_factory.mktemp("room"))


async def test_each_of_the_recordings_is_sent_and_nothing_between_them(heard: Audio) -> None:
    assert heard.duration == pytest.approx(HOURS * 3600, abs=0.5)
    assert len(heard.spans) >= COUNT
    lengths = {name: len(recording(name)) / RATE for name in NAMES}
    for start, end in heard.spans:
        index = int(start // EVERY)
        begins = FIRST + index * EVERY
        assert begins - 0.5 < start < end < begins + lengths[NAMES[index % len(NAMES)]] + 0.5
    assert {int(start // EVERY) for start, _ in heard.spans} == set(range(COUNT))


def words_of(model: WhisperTiny, segment: Segment) -> list[Word]:
    """What the local model hears in a segment, placed by the same adapter that places what is paid for."""
    from chronos.adapters.sound import cut
    from chronos.devstack.local_ai.answers import verbose

    answer = verbose(model.hear(cut(segment), language=None, prompt=None), ["word", "segment"])
    timed, _ = placing().hear(segment, json.dumps(answer).encode())
    return [word for passage in timed for word in passage.words or []]


def placing() -> OpenAiSpeech:
    return OpenAiSpeech(connect("http://127.0.0.1:9/v1", "none", 1), "whisper-tiny.en", micro_usd_per_minute={})


def plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


async def test_words_are_found_where_they_are_said_at_start_middle_and_end(heard: Audio, tmp_path: Path) -> None:
    """Where they are said is known from each recording alone, heard by the same model."""
    model = WhisperTiny()
    model.load()
    pieces = segments(TranscribeRequested(video_id="v", creator_id="c", storage_path="v"), heard)
    for minute in (0, 1, 2, COUNT // 2, COUNT // 2 + 1, COUNT // 2 + 2, COUNT - 3, COUNT - 2, COUNT - 1):
        name = NAMES[minute % len(NAMES)]
        alone = await PyAvMedia().extract_audio(fetched(RECORDINGS / name), tmp_path)
        whole = Segment("0" * 64, 0, 0.0, alone.duration, None, alone.sound)
        said = [(plain(word.text), FIRST + minute * EVERY + word.start) for word in words_of(model, whole)]
        here = [piece for piece in pieces if int(piece.start // EVERY) == minute]
        found = [(plain(word.text), word.start) for piece in here for word in words_of(model, piece)]
        assert [word for word, _ in found] == [word for word, _ in said], name
        off = max(abs(at - where) for (_, at), (_, where) in zip(found, said, strict=True))
        assert off < 0.5, f"{name} in minute {minute}: a word is {off:.2f} s from where it is said"


async def test_hours_of_silence_give_no_chunk_and_no_paid_call(tmp_path: Path) -> None:
    audio = await PyAvMedia().extract_audio(fetched(hours_of_silence(tmp_path / "a.wav")), tmp_path)
    assert audio.duration > 3600
    request = TranscribeRequested(video_id="v", creator_id="c", storage_path="v")
    assert segments(request, audio) == []
    transcript = completed(request, audio, [], placing()).transcript
    assert (transcript.text, transcript.segments) == ("", [])
    assert list(chunk(transcript, Chunking())) == []


PROGRAM = """
import asyncio, json, resource, sys, time
from pathlib import Path
from agents.ports import Fetched
from chronos.adapters.media import PyAvMedia
from chronos import working

file, room = Path(sys.argv[1]), Path(sys.argv[2])
began = time.monotonic()
audio = asyncio.run(PyAvMedia().extract_audio(Fetched(file, file.stat().st_size, "0" * 64), room))
took = time.monotonic() - began
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
worker = int(status["VmHWM"].split()[0]) << 10  # ru_maxrss would be that of the process that started this one
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
print(json.dumps({"seconds": took, "worker": worker, "child": child, "spans": len(audio.spans)}))
"""


def test_a_worker_with_three_hours_of_sound_stays_under_300_megabytes(lecture: Path, tmp_path: Path) -> None:
    """With all that a worker imports. The process that opens the file is a child of it, and counts."""
    command = [sys.executable, "-c", PROGRAM, str(lecture), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    used = json.loads(done.stdout)
    assert used["spans"] >= COUNT
    assert used["worker"] + used["child"] < MOST_MEMORY, used
