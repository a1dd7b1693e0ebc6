"""Takes keys, passwords and tokens out of texts that people and logs will see: by their form, and those that are known.

By form is a pure rule, the same in every process: it may be used where facts are folded. Known values are what the
settings hold; they are named once, when settings are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "***"

_WORD = (
    r"(?:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret(?:[_-]?key)?|client[_-]?secret|password|passwd|pwd|passphrase|"
    r"(?:access|refresh|id|auth|session|security)?[_-]?token|signature|sig|credentials?|authorization|private[_-]?key)"
)
_FORMS = (
    # https://host/path?query#fragment: all that a query says, since every store has its own names for a signature
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://[^\s?#'\"<>]{0,2000}[?#])[^\s'\"<>]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # scheme://user:password@host; a name alone may be a token, and is none in a database's URL
    (
        re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://[^\s:/@?#'\"]{0,200}:)[^\s/@]*(?:@|/[^\s@]{0,200}@)", re.I),
        rf"\1{HIDDEN}@",
    ),
    (re.compile(r"\b(https?://)[^\s:/@?#'\"]{1,500}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # name=value, name: value, "name": "value", in a storage path's query as well
    (
        re.compile(
            rf"((?<![a-z]){_WORD}['\"]?\s{{0,3}}[=:]\s{{0,3}}['\"]?)(?:(?:bearer|basic)\s+)?[^\s'\"&,;)}}\]]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b((?:sk|pk|rk|key|sess)-[\w-]{0,4})[\w.*-]{8,}"), rf"\1{HIDDEN}"),  # OpenAI and its likes
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),  # JSON Web Tokens: Supabase's keys
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bgh[pousr]_\w{20,}|\bxox[abprs]-[\w-]{10,}"), HIDDEN),
)

_SHORTEST = 6
"""Signs. A shorter value is no secret, and would be found inside of words."""

_known: set[str] = set()


def keep_secret(*values: str | None) -> None:
    """From now on these values appear in no redacted text of this process, as they are or as a URL writes them."""
    for value in values:
        if value and len(value) >= _SHORTEST:
            _known.update((value, quote(value, safe=""), quote_plus(value)))


def without_forms(text: str) -> str:
    """The text without what has the form of a secret. Pure."""
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


def redact(text: str) -> str:
    """The text without secrets: those that are known, then what has the form of one."""
    return without_forms(_replaced(text, _known))


def _replaced(text: str, values: Iterable[str]) -> str:
    for value in sorted(values, key=len, reverse=True):  # one may be part of another
        text = text.replace(value, HIDDEN)
    return text
