"""Files that were made to harm: they reach no other file, no server and no other process, and have their limits."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from agents.ports import Audio, Fetched, MediaLimit, UnreadableMedia
from chronos.adapters import media
from chronos.adapters.media import Limits, PyAvMedia
from streams.retry import Fault
from tests.films import fetched, film, noise
from tests.web import Site, says

ROOT = Path(__file__).resolve().parents[2]
NAME_SPACES = (
    shutil.which("unshare") and not subprocess.run(["unshare", "-Urn", "true"], capture_output=True).returncode
)


async def extract(file: Path, room: Path, limits: Limits = Limits()) -> Audio:  # noqa: B008  # a frozen value
    os.makedirs(room, exist_ok=True)
    return await PyAvMedia(limits).extract_audio(fetched(file), room)


def lists(url: str) -> dict[str, str]:
    """Files that are no media, but tell a player to fetch it."""
    return {
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
        "key": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n',
        "ffconcat": f"ffconcat version 1.0\nfile '{url}'\n",
        "dash": f'<?xml version="1.0"?><MPD type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet '
        f'mimeType="audio/mp4"><Representation id="a" bandwidth="1"><BaseURL>{url}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        "pls": f"[playlist]\nFile1={url}\nNumberOfEntries=1\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "reference": f"RTSPtext{url}\r\n",
    }


async def test_no_address_inside_a_file_is_called(tmp_path: Path) -> None:
    async with Site() as site:
        for name, text in lists(site.url("/a.wav")).items():
            file = tmp_path / f"{name}.mp4"
            file.write_text(text)
            with pytest.raises(UnreadableMedia):
                await extract(file, tmp_path / "room")
        assert site.connections == 0


async def test_a_film_whose_sound_is_said_to_be_elsewhere_calls_nobody(tmp_path: Path) -> None:
    """QuickTime's data references: the samples are in another file, or behind a URL."""
    whole = film(tmp_path / "a.mp4", (0, noise(2))).read_bytes()
    own = struct.pack(">I", 12) + b"url " + bytes([0, 0, 0, 1])
    assert own in whole
    async with Site() as site:
        for kind in (b"url ", b"alis", b"urn "):
            told = site.url("/x").encode() + b"\0"
            elsewhere = struct.pack(">I", 12 + len(told)) + kind + bytes(4) + told
            at = whole.index(own)
            longer = inserted(whole, at, elsewhere, (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"))
            (tmp_path / "b.mp4").write_bytes(longer.replace(own, b""))
            try:
                await extract(tmp_path / "b.mp4", tmp_path / "room")
            except UnreadableMedia:
                continue
        assert site.connections == 0


def inserted(film: bytes, at: int, more: bytes, around: tuple[bytes, ...]) -> bytes:
    """A film with something put into its boxes. They are at its end, so that no sample moves."""
    changed = bytearray(film[:at] + more + film[at:])
    for box in around:
        place = film.rindex(box, 0, at + 1) - 4
        size = struct.unpack_from(">I", film, place)[0]
        struct.pack_into(">I", changed, place, size + len(more))
    return bytes(changed)


CALLING = """
import sys; sys.path.insert(0, sys.argv[1])
from chronos.adapters import confinement, media_child
layers, url = sys.argv[2].split(), sys.argv[3]
if "spaces" in layers:
    confinement.confine(1 << 30, 60, 1 << 20)
if "limits" in layers:
    confinement._limit(confinement.resource.RLIMIT_NOFILE, 0)
if "calls" in layers:
    confinement._allow_only(*confinement._MACHINES[confinement.platform.machine()])
if "seal" in layers:
    confinement.seal()
try:
    media_child.av.open(url)
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("layers", "calls"), [("none", 1), ("spaces", 0), ("limits", 0), ("calls", 0), ("seal", 0), ("spaces seal", 0)]
)
async def test_even_a_decoder_that_was_taken_over_reaches_no_server(layers: str, calls: int) -> None:
    """Each layer by itself, with FFmpeg asked straight out to call an address."""
    if "spaces" in layers and not NAME_SPACES:
        pytest.skip("this kernel gives no network of its own to a process without privileges")
    async with Site() as site:
        site.answers["/a.wav"] = says("404 Not Found")
        command = [sys.executable, "-I", "-c", CALLING, str(ROOT), layers, site.url("/a.wav")]
        child = await asyncio.create_subprocess_exec(*command, stdout=-1)
        said, _ = await child.communicate()
        assert said
        assert bool(site.connections) == bool(calls), said


@pytest.mark.parametrize(
    "deed",
    [
        "open('/etc/passwd')",
        "open('new', 'w')",
        "os.unlink('precious')",
        "os.rename('precious', 'gone')",
        "os.truncate('precious', 0)",
        "os.chmod('precious', 0)",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(os.getppid(), 9)",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))",
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "socket.socket()",
        "socket.socketpair()",
        "os.pipe()",
        "os.memfd_create('x')",
        "os.setuid(1)",
        "os.mkdir('room')",
        "os.symlink('/', 'root')",
        "os.listdir('/')",
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="system calls are filtered on Linux")
def test_a_sealed_process_can_do_nothing_but_compute(tmp_path: Path, deed: str) -> None:
    (tmp_path / "precious").write_text("precious")
    program = (
        "import os, resource, socket, sys; sys.path.insert(0, sys.argv[1])\n"
        "from chronos.adapters.confinement import seal\n"
        f"seal()\ntry:\n    {deed}\nexcept (OSError, ValueError) as error:\n    print('refused', error)\n"
        "else:\n    print('done')"
    )
    command = [sys.executable, "-I", "-c", program, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.stdout.startswith("refused"), done.stdout + done.stderr
    assert os.listdir(tmp_path) == ["precious"]
    assert (tmp_path / "precious").read_text() == "precious"


def test_threads_are_still_possible_in_a_sealed_process() -> None:
    program = (
        "import sys, threading; sys.path.insert(0, sys.argv[1])\n"
        "from chronos.adapters.confinement import seal\n"
        "seal()\nthread = threading.Thread(target=print, args=('hello',))\nthread.start(); thread.join()"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program, str(ROOT)], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr


async def test_a_tiny_file_that_holds_half_a_day_of_silence_stops_at_the_limit(tmp_path: Path) -> None:
    file = silence_in_flac(tmp_path / "a.flac", hours=13)
    assert file.stat().st_size < 1 << 20
    with pytest.raises(MediaLimit, match="longer than the limit of 1800 s"):
        await extract(file, tmp_path / "room", Limits(longest=1800))
    assert (tmp_path / "room" / "sound.pcm").stat().st_size <= 1800 * 16_000 * 2


def silence_in_flac(file: Path, hours: float) -> Path:
    with av.open(str(file), "w", options={}) as out:
        stream = out.add_stream("flac", rate=8000, layout="mono", options={"frame_size": "65535"})
        block = np.zeros((1, 65535), np.int16)
        for index in range(round(hours * 3600 * 8000 / 65535)):
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.rate, frame.pts = 8000, index * 65535
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file


@pytest.mark.parametrize("rate", [1, 2, 0x7FFFFFFF, 0])
async def test_a_sampling_rate_from_nowhere_harms_nobody(tmp_path: Path, rate: int) -> None:
    """One sample a second: a hundred kilobytes become a day of sound."""
    content = bytearray(film(tmp_path / "a.wav", (0, noise(2)), codec="pcm_s16le").read_bytes())
    at = content.index(b"fmt ") + 12
    content[at : at + 8] = struct.pack("<II", rate, 2 * rate & 0xFFFFFFFF)
    (tmp_path / "b.wav").write_bytes(content)
    began = time.monotonic()
    try:
        audio = await extract(tmp_path / "b.wav", tmp_path / "room", Limits(longest=600))
    except (MediaLimit, UnreadableMedia):
        pass
    else:
        assert audio.duration <= 600
    assert time.monotonic() - began < 20


async def test_a_picture_of_enormous_size_is_not_looked_at(tmp_path: Path) -> None:
    content = bytearray(film(tmp_path / "a.mp4", (0, noise(3)), pictures=3).read_bytes())
    at = content.index(b"avc1", content.index(b"stsd")) + 28
    assert struct.unpack_from(">HH", content, at) == (64, 64)
    struct.pack_into(">HH", content, at, 65535, 65535)
    (tmp_path / "b.mp4").write_bytes(content)
    audio = await extract(tmp_path / "b.mp4", tmp_path / "room", Limits(memory=400 << 20, cpu=10))
    assert audio.duration == pytest.approx(3, abs=0.1)


async def test_thousands_of_tracks_are_heard_or_refused_within_the_limits(tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mp4", (0, noise(1))).read_bytes()
    at = whole.index(b"trak") - 4
    track = whole[at : at + struct.unpack_from(">I", whole, at)[0]]
    file = tmp_path / "b.mp4"
    file.write_bytes(inserted(whole, at, track * 3000, (b"moov",)))
    began = time.monotonic()
    try:
        audio = await extract(file, tmp_path / "room", Limits(memory=400 << 20, cpu=20))
        assert audio.duration == pytest.approx(1, abs=0.1)
    except (MediaLimit, UnreadableMedia):
        pass
    assert time.monotonic() - began < 25


async def test_a_file_that_makes_ffmpeg_talk_does_not_fill_the_worker(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    log = tmp_path / "room" / "media.log"
    with log.open("wb") as file:
        file.write(b"early\n")
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast words " + b"x" * 500)
    assert media._last_words(log) == "x" * 300


@pytest.mark.parametrize(
    "said",
    [b"", b"[]", b"{}", b'"error"', b'{"codec": "aac"}', b'{"codec": 1, "duration": NaN}', b"\xff", b"[" * 60_000,
     b'{"codec": "aac", "duration": -1}', b'{"codec": "aac", "duration": 1e999}'],
)  # fmt: skip
def test_an_answer_that_no_honest_child_gives_is_none(said: bytes) -> None:
    assert media._answer(said) is None


@pytest.mark.parametrize("program", ["print('x' * 100_000)", "print('{}')", "import os; os.abort()", "print('[]')"])
async def test_a_child_that_was_taken_over_ends_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(media, "_PROGRAM", program)
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(Fault):
        await PyAvMedia().extract_audio(Fetched(tmp_path / "a", 1, "0" * 64), tmp_path)


@pytest.mark.parametrize("seed", range(12))
async def test_a_film_with_wrong_bytes_in_it_is_heard_or_refused(tmp_path: Path, seed: int) -> None:
    content = bytearray(film(tmp_path / "a.mp4", (0, noise(2)), pictures=2).read_bytes())
    random = np.random.default_rng(seed)
    begin = content.index(b"moov") if seed % 2 else 0
    for place in random.integers(begin, len(content), 30):
        content[place] = random.integers(256)
    (tmp_path / "b.mp4").write_bytes(content)
    try:
        audio = await extract(tmp_path / "b.mp4", tmp_path / "room", Limits(cpu=20, wall=30))
    except (MediaLimit, UnreadableMedia):
        return
    assert audio.duration >= 0


def test_a_connection_of_the_worker_is_not_inherited() -> None:
    """Python closes what it opened when it starts another program; a socket must be no exception."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert not listening.get_inheritable()
