"""What people take away of a video, written: captions (SRT, WebVTT), text, Markdown, JSON. Pure."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chronos.captions import Cue, captions
from chronos.pieces import Piece, joined, pieces, width
from schemas.transcription import TranscriptSegment

if TYPE_CHECKING:
    from chronos.chapters import Chapter

PARAGRAPH = 400  # letters from which the next sentence begins another
SILENCE = 2_000  # milliseconds; so does what is said after it
_JOINER = "\u2060"  # shows nothing, and parts what would be read as a mark


class Format(StrEnum):
    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    JSON = "json"
    MD = "md"


@dataclass(frozen=True)
class Spoken:
    """A video's newest transcript, and what is known of the video."""

    creator_id: str
    video_id: str
    title: str | None
    language: str | None
    duration: float  # seconds
    model: str
    segments: Sequence[TranscriptSegment]
    chapters: Sequence[Chapter] = ()

    @property
    def name(self) -> str:
        return self.title or self.video_id

    @cached_property
    def pieces(self) -> list[Piece]:
        return pieces(self.segments)


def srt(spoken: Spoken) -> str:
    """SubRip, which has no marks of its own for what stands in the text: what players would read as a tag or a time is
    parted by a letter that shows nothing."""
    cues = enumerate(captions(spoken.segments), 1)
    return "\n".join(f"{n}\n{_times(cue, ',')}\n{_shown(cue, _unmarked)}\n" for n, cue in cues)


def vtt(spoken: Spoken) -> str:
    """WebVTT (W3C). Who speaks is said by a voice span."""
    return "\n".join(["WEBVTT\n", *(f"{_times(cue, '.')}\n{_voice(cue)}\n" for cue in captions(spoken.segments))])


def txt(spoken: Spoken) -> str:
    """The words alone, in paragraphs."""
    return "\n\n".join(paragraphs(spoken.pieces)) + "\n"


def md(spoken: Spoken) -> str:
    """Markdown: each chapter under a heading with its time."""
    known = [f"{clock(1000 * spoken.duration)}", spoken.language, f"heard by {spoken.model}"]
    blocks = [f"# {_plain(spoken.name)}", _plain(" · ".join(part for part in known if part))]
    if spoken.chapters:
        blocks.append("*Where chapters begin and what they are called is guessed from the words.*")
    for heading, part in _parts(spoken):
        blocks += heading + [_plain(paragraph) for paragraph in paragraphs(part)]
    return "\n\n".join(blocks) + "\n"


def as_json(spoken: Spoken) -> str:
    """All of it, for programs. Times in seconds; names that stay."""
    said: dict[str, Any] = {
        "videoId": spoken.video_id,
        "creatorId": spoken.creator_id,
        "title": spoken.title,
        "language": spoken.language,
        "durationSeconds": spoken.duration,
        "model": spoken.model,
        "text": joined(spoken.pieces),
        "segments": [segment.model_dump(exclude_none=True) for segment in spoken.segments],
        "captions": [
            {"start": cue.start / 1000, "end": cue.end / 1000, "lines": cue.lines} for cue in captions(spoken.segments)
        ],
        "chapters": [chapter_to_json(chapter) for chapter in spoken.chapters],
    }
    return json.dumps(said, ensure_ascii=False, indent=2) + "\n"


def chapter_to_json(chapter: Chapter) -> dict[str, Any]:
    return {"startSeconds": chapter.start / 1000, "endSeconds": chapter.end / 1000, "title": chapter.title}


@dataclass(frozen=True)
class Kind:
    media_type: str
    write: Callable[[Spoken], str]


KINDS: Mapping[Format, Kind] = {
    Format.SRT: Kind("application/x-subrip", srt),
    Format.VTT: Kind("text/vtt", vtt),
    Format.TXT: Kind("text/plain", txt),
    Format.JSON: Kind("application/json", as_json),
    Format.MD: Kind("text/markdown", md),
}


def file_name(spoken: Spoken, kind: Format) -> str:
    """A name that every system takes: no folders, no hidden file, no control or reserved letters."""
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" or c in '/\\:*?"<>|' else c for c in spoken.name)
    return f"{' '.join(kept.split())[:80].strip('. ') or 'video'}.{kind}"


def paragraphs(some: Sequence[Piece]) -> list[str]:
    """Text in paragraphs: of one speaker, without a long silence, of some sentences. A known speaker is named."""
    found: list[str] = []
    begun = 0
    for place in range(1, len(some) + 1):
        if place == len(some) or _ends_paragraph(some[begun:place], some[place]):
            speaker = some[begun].speaker
            found.append((f"{speaker}: " if speaker else "") + joined(some[begun:place]))
            begun = place
    return found


def _ends_paragraph(some: Sequence[Piece], following: Piece) -> bool:
    last = some[-1]
    if following.speaker != last.speaker or following.start - last.end >= SILENCE:
        return True
    return last.ends_sentence() and width(some) >= PARAGRAPH


def _parts(spoken: Spoken) -> Iterator[tuple[list[str], list[Piece]]]:
    """The chapters' headings with what is said in each; all of it without one where there are none."""
    if not spoken.chapters:
        yield [], spoken.pieces
        return
    for chapter, following in zip(spoken.chapters, [*spoken.chapters[1:], None], strict=True):
        end = following.start if following else float("inf")
        said = [piece for piece in spoken.pieces if chapter.start <= piece.start < end]
        yield [f"## {clock(chapter.start)} {_plain(chapter.title)}"], said


def clock(milliseconds: float) -> str:
    """As players and YouTube write a place in a video: 1:02:03."""
    minutes, seconds = divmod(int(milliseconds) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _times(cue: Cue, mark: str) -> str:
    return f"{_time(cue.start, mark)} --> {_time(cue.end, mark)}"


def _time(at: int, mark: str) -> str:
    seconds, milliseconds = divmod(at, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"


def _shown(cue: Cue, escaped: Callable[[str], str]) -> str:
    return "\n".join(map(escaped, cue.lines))


def _voice(cue: Cue) -> str:
    shown = _shown(cue, lambda line: html.escape(line, quote=False))
    return f"<v {html.escape(' '.join(cue.speaker.split()), quote=False)}>{shown}" if cue.speaker else shown


def _unmarked(line: str) -> str:
    return re.sub(r"<(?=[/a-zA-Z])", f"<{_JOINER}", line.replace("-->", f"--{_JOINER}>"))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"^(\d*)([-+=~.)])", r"\1\\\2", re.sub(r"([\\`*_\[\]<>&#|])", r"\\\1", " ".join(text.split())))
