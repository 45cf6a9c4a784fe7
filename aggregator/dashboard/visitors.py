"""Asks who opens a page before any page is made, and what each page needs of them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.accounts import Person, Right
from aggregator.dashboard.sessions import Sessions, Visitor
from aggregator.store.errors import StoreError
from trust.web.protection import read_form

PUBLIC = ("/static/", "/sign-in", "/healthz")
RENEWED = "/fragments/"
"""Below it are the parts of pages that ask for themselves again and again."""


class AskWho:
    """Puts a Visitor into the state of each request; who is nobody is led to the sign-in."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or lead to the sign-in."""
        if scope["type"] != "http" or scope["path"].startswith("/static/") or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            visitor, fresh = await self._sessions.visitor(
                request, counts=not scope["path"].startswith(RENEWED)
            )
        except StoreError:
            text = "The store cannot be read: see the server's log.\n"
            await Response(text, 503, media_type="text/plain")(scope, receive, send)
            return
        if not visitor.may(Right.LOOK) and not scope["path"].startswith(PUBLIC):
            await _to_sign_in(request)(scope, receive, send)
            return
        scope.setdefault("state", {})["visitor"] = visitor

        async def send_with_cookie(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and fresh is not None:
                answer = Response()
                self._sessions.set_cookie(answer, fresh)
                headers = MutableHeaders(scope=message)
                if "set-cookie" not in headers:
                    headers.append("set-cookie", answer.headers["set-cookie"])
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def visitor_of(request: Request) -> Visitor:
    """Return who opens the page."""
    visitor: Visitor = request.state.visitor
    return visitor


def needs(request: Request, right: Right) -> Visitor:
    """Return who opens a page that needs this right. Raises HTTPException (403)."""
    visitor = visitor_of(request)
    if not visitor.may(right):
        raise HTTPException(403, _WHY_NOT[right])
    return visitor


async def read_change(request: Request, right: Right) -> tuple[Person, dict[str, str]]:
    """Return who sent a form of a page of theirs, and its fields. Raises HTTPException."""
    visitor = needs(request, right)
    fields = await read_form(request)
    if visitor.person is None or not visitor.sent(fields.pop("form_token", "")):
        raise HTTPException(403, "This form is not of a page that you opened: open the page again.")
    return visitor.person, fields


def local_path(asked: str) -> str:
    """Return a page of this dashboard to go on to; of elsewhere, the first one."""
    if not asked.startswith("/") or asked.startswith(("//", "/\\")) or not asked.isprintable():
        return "/"
    return asked


_WHY_NOT = {
    Right.LOOK: "Sign in to see this page.",
    Right.REVIEW: "The audit log is for administrators and auditors: sign in as one.",
    Right.CHANGE: "Changes are for operators and administrators: sign in as one.",
    Right.ENDANGER: "This cannot be taken back and is for administrators: sign in as one.",
}


def _to_sign_in(request: Request) -> Response:
    if request.url.path.startswith(RENEWED):
        return Response("Sign in again.\n", 401, {"HX-Redirect": "/sign-in"}, "text/plain")  # htmx goes there
    if request.method != "GET":
        return RedirectResponse("/sign-in", 303)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(asked, safe='/')}", 303)
