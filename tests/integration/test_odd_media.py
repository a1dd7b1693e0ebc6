"""Odd files: whatever a recorder made of time, tracks and channels, sound is found at the player's time."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agents.ports import Audio
from chronos.adapters.media import PyAvMedia
from tests.films import dubbed, fetched, film, joined, many_voices, noise, quiet, unsteady


async def extract(file: Path, room: Path, language: str | None = None) -> Audio:
    os.makedirs(room, exist_ok=True)
    return await PyAvMedia().extract_audio(fetched(file), room, language)


def near(*spans: tuple[float, float]) -> list[object]:
    """Padding is 0.2 s, and a frame of AAC is 0.02 s."""
    return [pytest.approx(span, abs=0.3) for span in spans]


def pause_and_noise(before: float, sound: float) -> np.ndarray:
    return np.concatenate([quiet(before), noise(sound)])


async def test_pictures_at_a_rate_that_varies_move_no_sound(tmp_path: Path) -> None:
    pictures = (0.0, 0.04, 0.5, 0.52, 3.0, 3.01, 7.9, 9.0, 11.5)
    file = unsteady(tmp_path / "a.mp4", pause_and_noise(8, 3), pictures)
    assert list((await extract(file, tmp_path / "room")).spans) == near((8.0, 11.0))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts"])
async def test_sound_that_starts_after_the_pictures_keeps_its_place(tmp_path: Path, name: str) -> None:
    audio = await extract(film(tmp_path / name, (5, noise(2)), pictures=8), tmp_path / "room")
    assert list(audio.spans) == near((5.0, 7.0))


@pytest.mark.parametrize(
    ("name", "codec", "rate", "pictures"),
    [("ts", "aac", 44_100, 4), ("ts", "aac", 44_100, 0), ("ogg", "libopus", 48_000, 0), ("mp3", "mp3", 44_100, 0)],
)
async def test_a_second_recording_behind_the_first_is_heard_after_it(
    tmp_path: Path, name: str, codec: str, rate: int, pictures: int
) -> None:
    """Its timestamps begin anew."""
    first = film(tmp_path / f"1.{name}", (0, noise(4, rate)), codec=codec, rate=rate, pictures=pictures)
    sound = np.concatenate([quiet(3, rate), noise(2, rate)])
    second = film(tmp_path / f"2.{name}", (0, sound), codec=codec, rate=rate, pictures=pictures)
    audio = await extract(joined(tmp_path / f"a.{name}", first, second), tmp_path / "room")
    assert list(audio.spans) == near((0.0, 4.0), (7.0, 9.0))


async def test_a_streams_clock_that_leaps_ahead_at_a_cut_makes_no_hour_of_silence(tmp_path: Path) -> None:
    first = film(tmp_path / "1.ts", (0, noise(4)), pictures=4)
    second = film(tmp_path / "2.ts", (0, pause_and_noise(3, 2)), pictures=5, options={"output_ts_offset": "3600"})
    audio = await extract(joined(tmp_path / "a.ts", first, second), tmp_path / "room")
    assert list(audio.spans) == near((0.0, 4.0), (7.0, 9.0))


async def test_a_gap_in_a_streams_sound_is_a_gap_while_its_pictures_go_on(tmp_path: Path) -> None:
    file = film(tmp_path / "a.ts", (0, noise(2)), (30, noise(2)), pictures=33)
    assert list((await extract(file, tmp_path / "room")).spans) == near((0.0, 2.0), (30.0, 32.0))


@pytest.mark.parametrize(
    ("language", "track"), [("de", 1), ("en", 0), ("fr", 2), ("es", 0), (None, 0), ("nonsense", 0), ("de-AT", 1)]
)
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
async def test_of_several_tracks_the_one_in_the_language_is_heard(
    tmp_path: Path, name: str, language: str | None, track: int
) -> None:
    marks = ("eng", "ger", "fre") if name == "a.mkv" else ("eng", "deu", "fra")
    sounds = [pause_and_noise(3 * at, 2) for at in range(3)]
    file = dubbed(tmp_path / name, *zip(marks, sounds, strict=True))
    audio = await extract(file, tmp_path / "room", language)
    assert audio.track == track
    assert list(audio.spans) == near((3.0 * track, 3.0 * track + 2))


async def test_without_a_language_the_track_is_the_one_that_a_player_plays(tmp_path: Path) -> None:
    """A comment on the film may come first."""
    file = dubbed(tmp_path / "a.mkv", (None, noise(2)), (None, pause_and_noise(3, 2)), default=1)
    audio = await extract(file, tmp_path / "room")
    assert (audio.track, list(audio.spans)) == (1, near((3.0, 5.0)))


@pytest.mark.parametrize("channel", range(8))
@pytest.mark.parametrize(("rate", "marks"), [(48_000, True), (8_000, False)])
async def test_a_voice_in_any_of_eight_channels_is_heard(tmp_path: Path, channel: int, rate: int, marks: bool) -> None:
    """One of them is for deep effects in a cinema, and a microphone like the others in a recording."""
    silence, voice = quiet(5, rate), np.concatenate([quiet(3, rate), noise(2, rate)])
    voices = [voice if index == channel else silence for index in range(8)]
    audio = await extract(many_voices(tmp_path / "a.wav", *voices, rate=rate, marks=marks), tmp_path / "room")
    assert list(audio.spans) == near((3.0, 5.0))
