"""How a page is made: templates, and how figures, times and ids are written in them."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from chronos.searching import MARKS

CSRF = "chronos_csrf"  # the cookie, whose value each form carries too

PAGES = (
    ("/", "Overview", "o"),
    ("/videos", "Videos", "v"),
    ("/search", "Search", "s"),
    ("/send", "Send", "e"),
    ("/functions", "Functions", "f"),
    ("/failures", "Failures", "x"),
    ("/rewind", "Rewind", "r"),
    ("/log", "Log", "l"),
    ("/usage", "Usage", "u"),
    ("/health", "Health", "h"),
)
"""The pages that every page names: path, name, and the key that goes there after g."""

SHAPES = {
    "pending": "○",
    "transcribing": "◔",
    "processing": "◑",
    "embedding": "◕",
    "completed": "●",
    "failed": "✕",
    "cancelled": "⊘",
}
"""A status is a word and a shape, and a colour only then."""


def page(request: Request, template: str, *, code: int = HTTPStatus.OK, **context: Any) -> HTMLResponse:
    """A page, with the token that its forms carry."""
    token = request.cookies.get(CSRF) or secrets.token_urlsafe(24)
    body = TEMPLATES.get_template(template).render(
        context
        | {
            "here": request.scope["raw_path"].decode(),
            "query": request.query_params,
            "csrf": token,
            "now": datetime.now(UTC),
        }
    )
    response = HTMLResponse(body, code)
    if CSRF not in request.cookies:
        response.set_cookie(CSRF, token, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return response


def ago(at: datetime | None, now: datetime) -> Markup:
    """A time as people say it, the exact one on hover."""
    if at is None:
        return Markup("–")
    said = _ago((now - at).total_seconds())
    exact = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(exact, said)


def _ago(seconds: float) -> str:
    if seconds < 1:
        return "now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


def clock(seconds: float | None) -> str:
    """A place in a video: 1:02:03."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(seconds: float | None) -> str:
    """How long something took."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else clock(seconds)


def dollars(micro_usd: int | None) -> str:
    return "–" if micro_usd is None else f"${micro_usd / 1e6:,.4f}"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def size(count: int | None) -> str:
    """Bytes, as people say them."""
    if count is None:
        return "–"
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def short(value: Any) -> Markup:
    """An id's last characters (its first ones are a time); a click copies all of it."""
    text = str(value)
    shown = f"…{text[-8:]}" if len(text) > 12 else text
    return Markup('<button class="id" data-copy="{0}" title="copy {0}">{1}</button>').format(text, shown)


def state(word: str | None, held: str | None = None) -> Markup:
    """A status: its shape and its word, and what holds it."""
    word = word or "unknown"
    shape = SHAPES.get(word, "◌")
    said = Markup('<span class="state {0}"><span aria-hidden="true">{1}</span> {0}</span>').format(word, shape)
    holds = Markup(' <span class="state held"><span aria-hidden="true">‖</span> held: {0}</span>')
    return said + holds.format(held) if held else said


def marked(text: str) -> Markup:
    """A hit's text, the words that were found marked."""
    return escape(text).replace(MARKS[0], Markup("<mark>")).replace(MARKS[1], Markup("</mark>"))


def segment(text: Any) -> str:
    """A text as one part of a path."""
    return quote(str(text), safe="")


def shell(*words: Any) -> str:
    """A command as it is typed."""
    return shlex.join(["chronos", *(str(word) for word in words if word is not None)])


def flags(**given: Any) -> list[str]:
    """Options of a command, those that were given."""
    named = ((f"--{name}", str(value)) for name, value in given.items() if value is not None)
    return [word for option in named for word in option]


def with_query(query: Mapping[str, str], **changes: Any) -> str:
    """The query of this page with other values; None takes one away."""
    wanted = {**query, **changes}
    return "?" + urlencode({key: value for key, value in wanted.items() if value not in (None, "")})


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("chronos.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    writers = (ago, clock, span, dollars, number, size, short, state, marked, segment)
    made.filters.update({writer.__name__: writer for writer in writers})
    made.globals.update(with_query=with_query, shell=shell, flags=flags, pages=PAGES)
    return made


TEMPLATES = _environment()
