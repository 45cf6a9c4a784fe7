"""Keeps strangers of the network from setting up an appliance: its own screen shows a number to enter."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from firmware.first_boot.words import not_the_number, numbers_wait
from firmware.workflow.screen import Text
from trust.web.protection import peer_of, read_form

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

DIGITS = 8
FREE_TRIES = 5
WAIT_S = 30.0
"""Between two tries of one address, after so many wrong ones in a row."""
WAIT_OF_ALL_S = 3.0
"""After each wrong one, whoever entered it: 100 million numbers take ten years from all addresses."""
MOST_BROWSERS, MOST_ADDRESSES = 8, 256
# With this prefix it is taken over TLS alone, and from no other host or path.
_COOKIE = "__Host-first-boot"


@dataclass(frozen=True, slots=True)
class Refused:
    """The number was another one, or it was not compared. wait_s: until the next try is heard."""

    wait_s: float = 0.0
    compared: bool = True


@dataclass(slots=True)
class _Tries:
    wrong: int = 0
    heard_from_s: float = 0.0


class NumberGate:
    """One for each start of the first boot. A stranger who keeps trying holds up the own address."""

    def __init__(self, monotonic_s: Callable[[], float], number: str = "") -> None:
        self.number = number or f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        self._monotonic_s = monotonic_s
        self._tries: dict[str, _Tries] = {}
        self._all_heard_from_s = 0.0
        self._let_in: list[str] = []

    def knows(self, request: Request) -> bool:
        """Whether the browser gave the number before."""
        given = request.cookies.get(_COOKIE, "").encode()
        return any(hmac.compare_digest(given, cookie.encode()) for cookie in self._let_in)

    def enter(self, given: str, peer: str, answer: Response) -> Refused | None:
        """Let the browser in that gets the answer; returns why not, None where the number was right.

        given: digits of any alphabet, and whatever somebody writes between them. peer: where it comes from.
        """
        now_s, tries = self._monotonic_s(), self._of(peer)
        heard_from_s = max(tries.heard_from_s, self._all_heard_from_s)
        if now_s < heard_from_s:
            return Refused(heard_from_s - now_s, compared=False)
        digits = "".join(str(unicodedata.decimal(sign)) for sign in given if sign.isdecimal())
        if not hmac.compare_digest(digits.encode(), self.number.encode()):
            tries.wrong += 1
            self._all_heard_from_s = now_s + WAIT_OF_ALL_S
            tries.heard_from_s = now_s + (WAIT_S if tries.wrong >= FREE_TRIES else WAIT_OF_ALL_S)
            return Refused(tries.heard_from_s - now_s)
        tries.wrong = 0
        cookie = secrets.token_urlsafe(32)
        self._let_in = [*self._let_in, cookie][-MOST_BROWSERS:]
        answer.set_cookie(_COOKIE, cookie, path="/", secure=True, httponly=True, samesite="strict")
        return None

    def _of(self, peer: str) -> _Tries:
        """Return the tries of one address; of too many the oldest are forgotten: all of them wait anyway."""
        tries = self._tries.pop(peer, None) or _Tries()
        self._tries[peer] = tries
        while len(self._tries) > MOST_ADDRESSES:
            del self._tries[next(iter(self._tries))]
        return tries


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
        refused = self._gate.enter(given, peer_of(request), answer)
        if refused is None:
            return answer
        told = not_the_number(refused.wait_s) if refused.compared else numbers_wait(refused.wait_s)
        return HTMLResponse(self._draw(told), 403)
