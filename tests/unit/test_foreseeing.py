"""What a plan knows of a sound that was opened before: where another cutter would cut it, without listening again."""

import pytest

from agents.cutter import Cutting, spans
from chronos.config import Settings
from chronos.foreseeing import cut_anew
from schemas.transcription import AudioExtracted, Pause, Span

PAUSES = [(10.0, 13.0), (20.0, 20.5)]
SHORTER = Cutting(shortest=5.0, longest=15.0)


def heard(cutting: Cutting, *, version: int = 2) -> AudioExtracted:
    cut = spans(40.0, PAUSES, cutting)
    return AudioExtracted(
        video_id="v",
        creator_id="c",
        bytes=1,
        sha256="0" * 64,
        duration_seconds=40.0,
        codec="aac",
        segments=[Span(index=index, start=start, end=end) for index, (start, end) in enumerate(cut)],
        pauses=[Pause(start=start, end=end) for start, end in PAUSES] if version > 1 else None,
        listener=cutting.listener() if version > 1 else None,
    )


@pytest.mark.parametrize("now", [Cutting(), SHORTER])
def test_a_sound_is_cut_anew_by_the_pauses_that_were_found_in_it(now: Cutting) -> None:
    audio = cut_anew(heard(Cutting()), now)
    assert audio is not None
    assert audio.spans == spans(40.0, PAUSES, now)


def test_where_other_pauses_would_be_found_nothing_is_known() -> None:
    assert cut_anew(heard(Cutting()), Cutting(pause=0.6)) is None


def test_a_fact_of_version_1_tells_where_the_first_cutter_cuts_and_no_other() -> None:
    audio = cut_anew(heard(Cutting(), version=1), Cutting())
    assert audio is not None
    assert audio.spans == spans(40.0, PAUSES, Cutting())
    assert cut_anew(heard(Cutting(), version=1), SHORTER) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"longest": 10}', "0 < shortest < longest"),
        ('{"long": 10}', "cutting takes shortest, longest, lull, padding, pause"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, given: str, said: str) -> None:
    monkeypatch.setenv("CHRONOS_CUTTING", given)
    with pytest.raises(ValueError, match=said):
        Settings()
