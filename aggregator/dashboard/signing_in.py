"""Signing in with an account of this dashboard or through an identity provider, and signing out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aggregator import passwords
from aggregator.accounts import Person, Waits
from aggregator.dashboard.pages import Pages
from aggregator.dashboard.sessions import Sessions, new_cookie
from aggregator.dashboard.visitors import local_path, visitor_of
from aggregator.store import accounts
from aggregator.store.writer import StoreWriter
from trust.web.protection import peer_of, read_form

MOST_AT_ONCE = 2
"""Passwords that are looked at together: each takes 19 MiB for a moment."""
WRONG = "Name, password or code is wrong."


class SignInRefused(Exception):
    """The identity provider, or what it said, signs nobody in; the message is for whoever tried."""


class Provider(Protocol):
    """An identity provider."""

    name: str

    async def begin(self, cookie: str, go_on: str) -> str:
        """Return where the browser goes to sign in. Raises SignInRefused."""

    async def finish(self, cookie: str, answer: dict[str, str]) -> tuple[Person, str]:
        """Return who came back with this query, and where to go on. Raises SignInRefused."""


class SigningIn:
    """The pages of the sign-in; provider: None without one."""

    def __init__(
        self,
        pages: Pages,
        sessions: Sessions,
        store: StoreWriter,
        wall_ns: Callable[[], int],
        provider: Provider | None,
    ) -> None:
        self._pages = pages
        self._sessions = sessions
        self._store = store
        self._wall_ns = wall_ns
        self._provider = provider
        self._looking = asyncio.Semaphore(MOST_AT_ONCE)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sign-in", self._form, methods=["GET"]),
            Route("/sign-in", self._sent, methods=["POST"]),
            Route("/sign-in/provider", self._to_provider, methods=["GET"]),
            Route("/sign-in/return", self._from_provider, methods=["GET"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
        ]

    async def _form(self, request: Request) -> Response:
        return self._show(request, local_path(request.query_params.get("next", "/")))

    async def _sent(self, request: Request) -> Response:
        fields = await read_form(request)
        go_on = local_path(fields.get("next", "/"))
        if not visitor_of(request).sent(fields.get("form_token", "")):
            return self._show(request, go_on, "The page was open for too long: try again.", 403)
        tried = await self._try(
            fields.get("name", ""), fields.get("password", ""), fields.get("code", ""), peer_of(request)
        )
        match tried:
            case Waits(seconds):
                answer = self._show(
                    request, go_on, f"Too many wrong tries: wait {_span(seconds)}, then try again.", 429
                )
                answer.headers["Retry-After"] = str(math.ceil(seconds))
                return answer
            case None:
                return self._show(request, go_on, WRONG, 403)
            case Person():
                return await self._signed_in(request, tried, go_on)

    async def _try(self, name: str, password: str, code: str, peer: str) -> Person | Waits | None:
        """Return who it is, None where something is wrong. The try is on the disk before it is made."""
        now_ns = self._wall_ns()
        found = await self._store.submit(lambda db: accounts.count_try(db, name, peer, now_ns))
        if isinstance(found, Waits):
            return found
        credential = None if found is None else found.credential
        async with self._looking:
            right = await asyncio.to_thread(passwords.is_right, credential, password)
        step: int | None = 0
        if credential is not None and credential.totp is not None:
            step = passwords.totp_step_of(credential.totp, code, now_ns)
        if found is not None and right and step is not None:
            account, taken = found, step
            if await self._store.submit(lambda db: accounts.note_right(db, account, peer, taken)):
                return Person(found.name, found.role)
        await self._store.submit(lambda db: accounts.note_wrong(db, found, now_ns))
        return None

    async def _to_provider(self, request: Request) -> Response:
        if self._provider is None:
            raise HTTPException(404)
        cookie = visitor_of(request).cookie or new_cookie()
        go_on = local_path(request.query_params.get("next", "/"))
        try:
            answer = RedirectResponse(await self._provider.begin(cookie, go_on), 303)
        except SignInRefused as error:
            return self._show(request, go_on, str(error), 502)
        self._sessions.set_cookie(answer, cookie)
        return answer

    async def _from_provider(self, request: Request) -> Response:
        if self._provider is None:
            raise HTTPException(404)
        try:
            person, go_on = await self._provider.finish(
                visitor_of(request).cookie, dict(request.query_params)
            )
        except SignInRefused as error:
            return self._show(request, "/", str(error), 403)
        return await self._signed_in(request, person, go_on)

    async def _signed_in(self, request: Request, person: Person, go_on: str) -> Response:
        answer = RedirectResponse(go_on, 303)
        cookie = await self._sessions.begin(visitor_of(request).cookie, person)
        self._sessions.set_cookie(answer, cookie)
        return answer

    async def _sign_out(self, request: Request) -> Response:
        fields, visitor = await read_form(request), visitor_of(request)
        if not visitor.sent(fields.get("form_token", "")):
            raise HTTPException(403, "This form is not of a page that you opened: open the page again.")
        await self._sessions.end(visitor.cookie)
        return RedirectResponse("/sign-in", 303)

    def _show(self, request: Request, go_on: str, why: str = "", status: int = 200) -> Response:
        visitor = visitor_of(request)
        cookie = visitor.cookie or new_cookie()
        request.state.visitor = type(visitor)(cookie, visitor.person, visitor.at_machine)
        answer = self._pages.answer(
            request,
            "sign_in.html",
            status=status,
            go_on=go_on,
            why=why,
            provider="" if self._provider is None else self._provider.name,
        )
        self._sessions.set_cookie(answer, cookie)
        return answer


def _span(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds <= 90 else f"{math.ceil(seconds / 60)} min"
