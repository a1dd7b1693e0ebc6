"""Files that people take away: other programs read them, and nothing in a transcript can break them.

`python -m tests.unit.test_export_formats` writes the golden files anew: their diff is the review.
"""

from __future__ import annotations

import html
import io
import json
from pathlib import Path

import pytest
import webvtt
from hypothesis import given, settings

from chronos.captions import captions
from chronos.chapters import Chapter
from chronos.export_formats import KINDS, Format, Spoken, file_name, srt, vtt
from schemas.transcription import TranscriptSegment, Word
from tests.unit.test_captions import letters, transcripts

GOLDEN = Path(__file__).parent.parent / "golden" / "export"

LECTURE = Spoken(
    creator_id="Čapek & søn",
    video_id="vídeo-日本-🎬",
    title="Tides & <the moon>",
    language="en",
    duration=3725.5,
    model="whisper-1",
    segments=[
        TranscriptSegment(
            start=0.5,
            end=9.0,
            text="Welcome, everybody. In a < b && c --> d, <i>what</i> -- & why -- do &amp; and --> mean?",
            words=[Word(start=0.5 + n / 2, end=0.9 + n / 2, text=f"word{n}") for n in range(17)],
            speaker="Ada <b>",
        ),
        TranscriptSegment(
            start=9.0, end=13.0, text="潮の満ち引きは月の引力によって起こります。「不思議ですね」。", speaker="月"
        ),
        TranscriptSegment(start=20.0, end=24.0, text="שלום לכולם, ברוכים הבאים. 👩‍👩‍👧‍👦 🇩🇪"),
        TranscriptSegment(
            start=3720.0, end=3725.5, text="1. *That* was _all_.\n\n2\n00:00:01,000 --> 00:00:02,000\nNOTE x"
        ),
    ],
    chapters=[Chapter(0, 20_000, "Welcome, *moon*"), Chapter(20_000, 3_725_500, "שלום, all")],
)


@pytest.mark.parametrize("kind", Format)
def test_a_lecture_is_written_as_it_was_before(kind: Format):
    assert KINDS[kind].write(LECTURE) == (GOLDEN / f"lecture.{kind}").read_text(encoding="utf-8")


@given(transcripts())
@settings(deadline=None, max_examples=60)
def test_other_programs_read_the_captions_as_they_were_meant(segments: list[TranscriptSegment]):
    cues = captions(segments)
    spoken = Spoken("c", "v", None, None, 1.0, "m", segments)
    for_web = webvtt.from_string(vtt(spoken))
    for_players = webvtt.from_buffer(io.StringIO(srt(spoken)), format="srt") if cues else []
    meant = [visible("".join(cue.lines)) for cue in cues]
    assert [visible(html.unescape(read.text)) for read in for_web] == meant
    assert [visible(read.raw_text) for read in for_players] == meant
    assert [read.voice and html.unescape(read.voice) for read in for_web] == [cue.speaker for cue in cues]
    for read in (for_web, for_players):
        assert [(milliseconds(one.start), milliseconds(one.end)) for one in read] == [(c.start, c.end) for c in cues]


def milliseconds(time: str) -> int:
    hours, minutes, seconds = time.split(":")
    return int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000)


def visible(text: str) -> str:
    return letters(text).replace("\u2060", "")


def test_what_stands_in_the_text_is_no_mark_of_the_file():
    hostile = "a --> b <b>bold</b> & <script>"
    spoken = Spoken("c", "v", None, None, 1.0, "m", [TranscriptSegment(start=0, end=5, text=hostile)])
    assert "a --&gt; b &lt;b&gt;bold&lt;/b&gt; &amp; &lt;script&gt;" in " ".join(vtt(spoken).split("\n"))
    assert srt(spoken).count("-->") == 1
    assert "<b" not in srt(spoken)


def test_json_has_the_names_that_programs_rely_on():
    said = json.loads(KINDS[Format.JSON].write(LECTURE))
    assert list(said) == [
        "videoId", "creatorId", "title", "language", "durationSeconds", "model", "text", "segments", "captions",
        "chapters",
    ]  # fmt: skip
    assert said["chapters"][1] == {"startSeconds": 20.0, "endSeconds": 3725.5, "title": "שלום, all"}
    assert list(said["segments"][0]) == ["start", "end", "text", "words", "speaker"]


@pytest.mark.parametrize("kind", Format)
def test_a_video_in_which_nothing_is_said_can_be_taken_away_too(kind: Format):
    written = KINDS[kind].write(Spoken("c", "v", None, None, 1.0, "m", []))
    assert kind is not Format.VTT or written == "WEBVTT\n"
    assert kind is not Format.JSON or json.loads(written)["captions"] == []


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("How tides work", "How tides work.srt"),
        ("../../etc/passwd", "etc passwd.srt"),
        (".hidden", "hidden.srt"),
        ('a"b\r\nSet-Cookie: x', "a b Set-Cookie x.srt"),
        ("日本 🎬", "日本 🎬.srt"),
        ("?", "video.srt"),
        ("x" * 500, "x" * 80 + ".srt"),
        (None, "v.srt"),
    ],
)
def test_a_files_name_is_one_that_every_system_takes(title: str | None, name: str):
    assert file_name(Spoken("c", "v", title, None, 1.0, "m", []), Format.SRT) == name


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for kind in Format:
        (GOLDEN / f"lecture.{kind}").write_text(KINDS[kind].write(LECTURE), encoding="utf-8")
