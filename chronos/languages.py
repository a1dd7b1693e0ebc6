"""The languages that Whisper models know, by codes and English names: as requests, answers and files name them."""

from __future__ import annotations

import re

_TABLE = """
af afrikaans afr, ar arabic ara, hy armenian hye arm, az azerbaijani aze, be belarusian bel, bs bosnian bos,
bg bulgarian bul, ca catalan cat, zh chinese zho chi, hr croatian hrv, cs czech ces cze, da danish dan,
nl dutch nld dut, en english eng, et estonian est, fi finnish fin, fr french fra fre, gl galician glg,
de german deu ger, el greek ell gre, he hebrew heb, hi hindi hin, hu hungarian hun, is icelandic isl ice,
id indonesian ind, it italian ita, ja japanese jpn, kn kannada kan, kk kazakh kaz, ko korean kor, lv latvian lav,
lt lithuanian lit, mk macedonian mkd mac, ms malay msa may, mr marathi mar, mi maori mri mao, ne nepali nep,
no norwegian nor nob nno, fa persian fas per, pl polish pol, pt portuguese por, ro romanian ron rum, ru russian rus,
sr serbian srp, sk slovak slk slo, sl slovenian slv, es spanish spa, sw swahili swa, sv swedish swe, ta tamil tam,
tl tagalog tgl, th thai tha, tr turkish tur, uk ukrainian ukr, ur urdu urd, vi vietnamese vie, cy welsh cym wel
"""

_ROWS = [row.split() for row in _TABLE.split(",")]

BY_NAME = {name: code for code, name, *_ in _ROWS}
"""ISO 639-1 codes by the English names that Whisper models answer with."""

_LONG = {code: tuple(longer) for code, _, *longer in _ROWS}


def code(hint: str | None) -> str | None:
    """A producer's hint as ISO 639-1, or None where it is none: a wrong hint must not fail a video."""
    match = re.fullmatch(r"([A-Za-z]{2})([-_][A-Za-z0-9_-]+)?", (hint or "").strip())
    return match[1].lower() if match else None


def in_files(hint: str | None) -> tuple[str, ...]:
    """How the tracks of a file may be marked with this language: ISO 639-1 and both kinds of 639-2."""
    short = code(hint)
    return (short, *_LONG.get(short, ())) if short else ()
