"""Who is at the console: a key that was typed once stands in a cookie, and each form carries a token."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from chronos.api import problems
from chronos.api.keys import Scope
from chronos.api.problems import Refused
from chronos.api.resources import COOKIE, Has, tokens
from chronos.console.rendering import CSRF, page

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """What goes wrong is a page too; who has no key is asked for one."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def safely(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - the last place where a page can be made of it
                problem, _ = problems.describe(request, error)
            if problem.status == HTTPStatus.UNAUTHORIZED:
                return RedirectResponse(f"/login?next={quote(str(request.url.path))}", HTTPStatus.SEE_OTHER)
            return page(request, "problem.html", code=problem.status, problem=problem)

        return safely


async def _checked(request: Request) -> None:
    """
    Raises:
        Refused: the form is none that this server gave out.
    """
    sent, ours = str((await request.form()).get("csrf", "")), request.cookies.get(CSRF, "")
    if not ours or not hmac.compare_digest(sent, ours):
        raise Refused(
            HTTPStatus.FORBIDDEN, "this form is too old, or was not made here: reload the page, send it again"
        )


FORM = Depends(_checked)
"""For every route that takes a form."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def login(request: Request, next: str = "/") -> Response:
    """Asks for a key."""
    return page(request, "login.html", next=next, wrong=False)


@router.post("/login", dependencies=[FORM])
async def enter(
    request: Request, has: Has, key: Annotated[str, Form()], next: Annotated[str, Form()] = "/"
) -> Response:
    """Keeps the key, beside those of before, in a cookie that no script reads."""
    key = key.strip()
    if not any(has.keyring.find(key, scope) for scope in Scope):
        return page(request, "login.html", code=HTTPStatus.FORBIDDEN, next=next, wrong=True)
    to = next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"
    response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    secure = request.url.scheme == "https"
    keys = ":".join(quote(one, safe="") for one in dict.fromkeys([*tokens(request), key]))
    response.set_cookie(COOKIE, keys, httponly=True, samesite="strict", secure=secure, max_age=30 * 86_400)
    return response


@router.post("/logout", dependencies=[FORM])
async def leave() -> Response:
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE)
    return response
