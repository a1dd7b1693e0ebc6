"""Media: sound at the player's times, and hostile files that harm nobody."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import struct
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agents.ports import Audio, Fetched, MediaLimit, Segment, StorageUnavailable, UnreadableMedia
from chronos.adapters.media import Limits, PyAvMedia
from chronos.adapters.sound import RATE, cut, levels
from tests.films import fetched, film, hours_of_silence, noise, quiet

SPEECH = Path(__file__).resolve().parents[3] / "shared" / "data" / "speech"


async def extract(file: Path, room: Path, limits: Limits = Limits()) -> Audio:  # noqa: B008  # a frozen value
    os.makedirs(room, exist_ok=True)
    return await PyAvMedia(limits).extract_audio(fetched(file), room)


async def test_an_mp4s_sound_is_found_and_its_silence_is_not_sent(tmp_path: Path) -> None:
    sound = np.concatenate([quiet(4), noise(5), quiet(6), noise(3)])
    audio = await extract(film(tmp_path / "a.mp4", (0, sound), pictures=18), tmp_path / "room")
    assert audio.codec == "aac"
    assert audio.duration == pytest.approx(18, abs=0.05)
    assert [pytest.approx(span, abs=0.05) for span in audio.spans] == [(3.8, 9.2), (14.8, 18.0)]


async def test_sound_that_starts_late_keeps_its_place_in_the_video(tmp_path: Path) -> None:
    audio = await extract(film(tmp_path / "a.mkv", (5, noise(2)), pictures=8), tmp_path / "room")
    assert [pytest.approx(span, abs=0.05) for span in audio.spans] == [(4.8, 7.0)]


async def test_a_gap_in_the_sound_is_silence_and_moves_nothing(tmp_path: Path) -> None:
    audio = await extract(film(tmp_path / "a.mkv", (0, noise(2)), (9, noise(2))), tmp_path / "room")
    assert [pytest.approx(span, abs=0.06) for span in audio.spans] == [(0.0, 2.2), (8.8, 11.0)]
    loudness = levels(audio.sound, 0.02)
    assert loudness[450 + 5] > -20 > loudness[450 - 5]


async def test_a_streams_clock_that_does_not_start_at_zero_is_the_players(tmp_path: Path) -> None:
    audio = await extract(film(tmp_path / "a.ts", (100, noise(3))), tmp_path / "room")
    assert audio.duration == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp3", "mp3", 44_100),
        ("a.ogg", "libopus", 48_000),
        ("a.webm", "libopus", 48_000),
        ("a.flac", "flac", 44_100),
        ("a.wav", "pcm_s16le", 8_000),
        ("a.avi", "mp3", 44_100),
    ],
)
async def test_common_formats_are_heard_whatever_they_are_called(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    file = film(tmp_path / name, (0, noise(3, rate)), codec=codec, rate=rate)
    audio = await extract(file.rename(tmp_path / "source"), tmp_path / "room")
    assert audio.duration == pytest.approx(3, abs=0.1)
    assert len(audio.spans) == 1


async def test_silent_audio_has_nothing_to_send(tmp_path: Path) -> None:
    audio = await extract(film(tmp_path / "a.mp4", (0, quiet(20))), tmp_path / "room")
    assert audio.spans == ()
    assert audio.duration == pytest.approx(20, abs=0.05)


async def test_a_segment_is_cut_to_the_sample_and_is_the_same_every_time(tmp_path: Path) -> None:
    audio = await extract(film(tmp_path / "a.wav", (0, noise(70)), codec="pcm_s16le"), tmp_path / "room")
    segment = Segment(audio.source.sha256, 0, 1.5, 61.5, None, audio.sound)
    content = cut(segment)
    assert content == cut(segment)
    with wave.open(io.BytesIO(content)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (RATE, 1, 60 * RATE)
        assert sound.readframes(60 * RATE) == audio.sound.read_bytes()[round(1.5 * RATE) * 2 : round(61.5 * RATE) * 2]
    assert len(content) < 2_000_000


async def test_a_very_short_sound_is_filled_up_to_what_providers_take(tmp_path: Path) -> None:
    audio = await extract(film(tmp_path / "a.wav", (0, noise(0.03)), codec="pcm_s16le"), tmp_path / "room")
    ((start, end),) = audio.spans
    with wave.open(io.BytesIO(cut(Segment("0" * 64, 0, start, end, None, audio.sound)))) as sound:
        assert sound.getnframes() == RATE // 2


@pytest.mark.skipif(not SPEECH.is_dir(), reason="the recordings are not beside the project")
async def test_a_human_voice_is_not_mistaken_for_silence(tmp_path: Path) -> None:
    audio = await extract(SPEECH / "jfk.flac", tmp_path / "room")
    ((start, end),) = audio.spans
    assert audio.codec == "flac"
    assert audio.duration == pytest.approx(11.0, abs=0.01)
    assert start < 0.4
    assert end > 10.0


def hostile(folder: Path) -> dict[str, bytes]:
    """Files by what is wrong with them."""
    good = film(folder / "good.mp4", (0, noise(4)), pictures=4).read_bytes()
    fast = film(folder / "fast.mp4", (0, noise(4)), pictures=4, options={"movflags": "faststart"}).read_bytes()
    secret = film(folder / "secret.wav", (0, noise(2)), codec="pcm_s16le")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    return {
        "empty": b"",
        "text": b"These are the minutes of the meeting.\n" * 100,
        "zeros": bytes(100_000),
        "cut in the middle": good[: len(good) // 2],
        "cut near the end": fast[: len(fast) * 8 // 10],
        "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "ffconcat beside it": b"ffconcat version 1.0\nfile secret.wav\n",
        "playlist": playlist.encode(),
        "dash": f'<?xml version="1.0"?><MPD><Period><BaseURL>file://{secret}</BaseURL></Period></MPD>'.encode(),
        "subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
        "no sound": film(folder / "mute.mp4", pictures=2).read_bytes(),
    }


@pytest.mark.parametrize("extension", [".mp4", ".m3u8", ""])
async def test_what_is_no_media_fails_with_a_reason_and_reads_no_other_file(tmp_path: Path, extension: str) -> None:
    for what, content in hostile(tmp_path).items():
        file = tmp_path / f"source{extension}"
        file.write_bytes(content)
        with pytest.raises(UnreadableMedia) as refused:
            await extract(file, tmp_path / "room")
        message = str(refused.value)
        assert message.startswith("the media file cannot be read: "), what
        assert len(message) > len("the media file cannot be read: ") + 5, what
        assert str(tmp_path) not in message, what


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("empty", "empty"),
        ("no sound", "no audio track"),
        ("cut near the end", "cut off"),
        ("cut in the middle", "moov atom not found"),
        ("ffconcat", "whitelist"),
    ],
)
async def test_the_reason_is_one_that_a_person_can_act_on(tmp_path: Path, what: str, says: str) -> None:
    file = tmp_path / "source"
    file.write_bytes(hostile(tmp_path)[what])
    with pytest.raises(UnreadableMedia, match=says):
        await extract(file, tmp_path / "room")


async def test_a_file_that_claims_to_last_for_ever_is_taken_for_what_it_holds(tmp_path: Path) -> None:
    content = film(tmp_path / "a.mp4", (0, noise(3))).read_bytes()
    header = content.index(b"mvhd") + 4
    content = content[: header + 16] + struct.pack(">I", 0xFFFFFFF0) + content[header + 20 :]
    (tmp_path / "long.mp4").write_bytes(content)
    audio = await extract(tmp_path / "long.mp4", tmp_path / "room")
    assert audio.duration == pytest.approx(3, abs=0.1)


async def test_sound_that_is_too_long_stops_at_the_limit(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mp4", (0, noise(30)))
    with pytest.raises(MediaLimit, match="longer than the limit of 10 s"):
        await extract(file, tmp_path / "room", Limits(longest=10))
    assert (tmp_path / "room" / "sound.pcm").stat().st_size <= 11 * RATE * 2


async def test_a_timestamp_far_away_does_not_fill_the_disk(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mkv", (0, noise(1)), (500_000, noise(1)))
    with pytest.raises(MediaLimit, match="500000 s"):
        await extract(file, tmp_path / "room")


async def test_a_packet_that_claims_a_gigabyte_is_refused(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mp4", (0, noise(3)))
    content = bytearray(file.read_bytes())
    sizes = content.index(b"stsz") + 16
    content[sizes : sizes + 4] = struct.pack(">I", 1 << 30)
    file.write_bytes(content)
    os.truncate(file, 3 << 30)  # the claim is true, and costs the sender nothing
    with pytest.raises((MediaLimit, UnreadableMedia)):
        await PyAvMedia(Limits(memory=400 << 20)).extract_audio(Fetched(file, 3 << 30, "0" * 64), tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
async def test_a_disk_without_room_for_the_decoded_sound_is_told_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "sound.pcm").symlink_to("/dev/full")
    with pytest.raises(StorageUnavailable, match="no room on the disk for the decoded sound: No space left"):
        await extract(film(tmp_path / "a.mp4", (0, noise(3))), tmp_path / "room")


async def test_processor_time_is_limited(tmp_path: Path) -> None:
    file = hours_of_silence(tmp_path / "a.wav")
    with pytest.raises(MediaLimit, match="processor time"):
        await PyAvMedia(Limits(cpu=1)).extract_audio(Fetched(file, 1 << 30, "0" * 64), tmp_path)


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("bytearray(500 << 20)", "MemoryError"),
        ("open('big', 'wb').write(bytes(2 << 20))", "File too large"),
        ("import socket; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)", "Network is unreachable"),
    ],
)
def test_the_child_cannot_go_past_its_confinement(tmp_path: Path, deed: str, says: str) -> None:
    if "socket" in deed and subprocess.run(["unshare", "-Urn", "true"], capture_output=True).returncode:
        pytest.skip("this kernel gives no network of its own to a process without privileges")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        program = (
            f"import sys; from chronos.adapters.media_child import confine; confine(400 << 20, 5, 1 << 20); {deed}"
        )
        port = str(listening.getsockname()[1])
        environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        command = [sys.executable, "-c", program, port]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert says in done.stderr


async def test_a_child_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mp4", (0, noise(30)))
    with pytest.raises(MediaLimit, match="longer than"):
        await extract(file, tmp_path / "room", Limits(wall=0.02))
    assert not children()


async def test_a_cancelled_attempt_leaves_no_process(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mp4", (0, noise(30)))
    task = asyncio.create_task(extract(file, tmp_path / "room"))
    async with asyncio.timeout(10):
        while not children():  # noqa: ASYNC110  # nothing tells of a process that begins
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not children()


def test_the_child_of_a_killed_worker_dies_with_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from agents.ports import Fetched\n"
        "from chronos.adapters.media import PyAvMedia\n"
        "file, room = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "asyncio.run(PyAvMedia().extract_audio(Fetched(file, 1 << 30, '0' * 64), room))"
    )
    file = hours_of_silence(tmp_path / "a.wav")
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    worker = subprocess.Popen([sys.executable, "-c", program, file, tmp_path], env=environment)
    sound = tmp_path / "sound.pcm"
    until(lambda: sound.exists() and sound.stat().st_size > 0)
    (child,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    worker.kill()
    worker.wait()
    until(lambda: not is_alive(child))


def until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.005)


def is_alive(pid: str) -> bool:
    """A process that is dead may stay as a zombie where nobody collects it."""
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] not in "ZX"


def children() -> list[str]:
    """Command lines of the media processes that this test has started."""
    found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    lines = [Path(f"/proc/{pid}/cmdline") for pid in found]
    return [text for line in lines if line.exists() and "media_child" in (text := line.read_text())]
