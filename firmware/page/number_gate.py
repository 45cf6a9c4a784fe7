"""Keeps strangers of the network from setting up an appliance: its own screen shows a number to enter."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from firmware.first_boot.words import not_the_number
from firmware.workflow.screen import Text
from trust.web.protection import read_form

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

DIGITS = 8
FREE_TRIES = 5
WAIT_S = 30.0
"""Between two tries after so many wrong ones in a row: 100 million numbers then take a century."""
MOST_BROWSERS = 8
# With this prefix it is taken over TLS alone, and from no other host or path.
_COOKIE = "__Host-first-boot"


@dataclass(frozen=True, slots=True)
class Refused:
    """The number was another one, or nothing was compared. wait_s: until the next try is heard."""

    wait_s: float = 0.0


class NumberGate:
    """One for each start of the first boot. Wrong tries are counted together, wherever they come from."""

    def __init__(self, monotonic_s: Callable[[], float], number: str = "") -> None:
        self.number = number or f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        self._monotonic_s = monotonic_s
        self._wrong = 0
        self._heard_from_s = 0.0
        self._let_in: list[str] = []

    def knows(self, request: Request) -> bool:
        """Whether the browser gave the number before."""
        given = request.cookies.get(_COOKIE, "").encode()
        return any(hmac.compare_digest(given, cookie.encode()) for cookie in self._let_in)

    def enter(self, given: str, answer: Response) -> Refused | None:
        """Let the browser in that gets the answer; returns why not, None where the number was right."""
        now_s = self._monotonic_s()
        if now_s < self._heard_from_s:
            return Refused(self._heard_from_s - now_s)
        digits = "".join(given.split()).encode()
        if not hmac.compare_digest(digits, self.number.encode()):
            self._wrong += 1
            self._heard_from_s = now_s + (WAIT_S if self._wrong >= FREE_TRIES else 0.0)
            return Refused(self._heard_from_s - now_s)
        self._wrong = 0
        cookie = secrets.token_urlsafe(32)
        self._let_in = [*self._let_in, cookie][-MOST_BROWSERS:]
        answer.set_cookie(_COOKIE, cookie, path="/", secure=True, httponly=True, samesite="strict")
        return None


class NumberDoor:
    """Stands before the routes of a page. gate: None lets everybody in, as on the appliance's own screen.

    place: of the page. draw: returns the page that asks for the number, with what is said of the last one.
    """

    def __init__(self, gate: NumberGate | None, place: str, draw: Callable[[Text | None], str]) -> None:
        self._gate = gate
        self._place = place
        self._draw = draw

    def is_let_in(self, scope: Scope) -> bool:
        """Tell of a request, as ASGI has it, whether its browser gave the number."""
        return self._gate is not None and scope["type"] == "http" and self._gate.knows(Request(scope))

    def before(self, do: Handler) -> Handler:
        """Return what does so for browsers that gave the number, and asks the others for it."""

        async def only_known(request: Request) -> Response:
            if self._gate is None or self._gate.knows(request):
                return await do(request)
            if request.method == "GET" and request.url.path == self._place:
                return HTMLResponse(self._draw(None))
            raise HTTPException(403, "enter the number first")

        return only_known

    async def enter(self, request: Request) -> Response:
        """Take a number. Raises HTTPException."""
        if self._gate is None:
            raise HTTPException(404)
        given = (await read_form(request)).get("number", "")
        answer = RedirectResponse(self._place, 303)
        refused = self._gate.enter(given, answer)
        return answer if refused is None else HTMLResponse(self._draw(not_the_number(refused.wait_s)), 403)
