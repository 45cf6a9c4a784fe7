"""Keeps strangers of the network from setting up an appliance: its own screen shows a number to enter."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

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
