"""Who looks at the page: one cookie each, who is signed in behind it, and since when it rests.

Of somebody who is not signed in nothing is kept: the token of their forms follows from their cookie, and
their language is a part of it. A device on the site's network that asks without end so pushes nobody out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware.workflow.terms import Role

MOST_SIGNED_IN = 64
"""More browsers than one lane ever has; each knew a PIN. Whoever did nothing for longest makes room."""
TOKEN_BYTES = 32
_MAX_TAG = 16


@dataclass(frozen=True, slots=True)
class Operator:
    """A member of staff who is signed in."""

    name: str
    role: Role


@dataclass(slots=True)
class Viewer:
    """One browser.

    form_token: what its forms must send back. language: its own, None follows the person's.
    """

    form_token: str
    active_s: float
    operator: Operator | None = None
    language: str | None = None

    def accepts(self, form_token: str) -> bool:
        """Tell whether a form came from a page that this viewer was given."""
        return hmac.compare_digest(self.form_token.encode(), form_token.encode())


@dataclass(slots=True)
class Viewers:
    """All browsers; who is signed in is known by the digest of the cookie.

    monotonic_s: reads the clock. rest_s: after so long without an act somebody is signed out.
    """

    monotonic_s: Callable[[], float]
    rest_s: float
    _signed_in: dict[bytes, Viewer] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(TOKEN_BYTES))

    def find(self, cookie: str) -> Viewer | None:
        """Return whose cookie it is, None for none; somebody who rested too long is signed out first."""
        if not cookie:
            return None
        digest = _digest(cookie)
        viewer = self._signed_in.get(digest)
        if viewer is not None and self.is_signed_in(viewer):
            return viewer
        former = self._signed_in.pop(digest, None)
        token = hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()
        language = former.language if former is not None else cookie.partition(".")[2][:_MAX_TAG] or None
        return Viewer(token, self.monotonic_s(), language=language)

    def is_signed_in(self, viewer: Viewer) -> bool:
        """Tell whether somebody is signed in; whoever rested too long is signed out now."""
        if self.rests_until_s(viewer) <= self.monotonic_s():
            viewer.operator = None
        return viewer.operator is not None

    def make(self, language: str | None = None) -> tuple[str, Viewer]:
        """Return a new cookie and its viewer, not signed in. language: BCP 47 tag that the cookie carries."""
        cookie = _fresh_cookie(language)
        viewer = self.find(cookie)
        if viewer is None:
            raise AssertionError("a cookie has a viewer")
        return cookie, viewer

    def signed_in(self) -> Operator | None:
        """Return who did something last of those who are signed in."""
        present = [viewer for viewer in self._signed_in.values() if self.is_signed_in(viewer)]
        return max(present, key=lambda viewer: viewer.active_s).operator if present else None

    def nobody(self) -> Viewer:
        """Return a viewer whom no cookie leads to."""
        return Viewer(secrets.token_urlsafe(TOKEN_BYTES), self.monotonic_s())

    def sign_in(self, cookie: str, operator: Operator) -> str:
        """Sign somebody in under a new cookie, which is returned; the old one is worth nothing any more."""
        former = self.find(cookie)
        self._signed_in.pop(_digest(cookie), None)
        language = former.language if former is not None else None
        fresh, viewer = _fresh_cookie(language), self.nobody()
        viewer.operator, viewer.language = operator, language
        self._signed_in = {
            digest: known for digest, known in self._signed_in.items() if self.is_signed_in(known)
        }
        if len(self._signed_in) >= MOST_SIGNED_IN:
            longest = min(self._signed_in, key=lambda digest: self._signed_in[digest].active_s)
            self._signed_in.pop(longest).operator = None
        self._signed_in[_digest(fresh)] = viewer
        return fresh

    def sign_out(self, cookie: str) -> None:
        """Forget the viewer."""
        viewer = self._signed_in.pop(_digest(cookie), None)
        if viewer is not None:
            viewer.operator = None

    def forget(self, name: str) -> None:
        """Sign somebody out wherever they are signed in."""
        for viewer in self._signed_in.values():
            if viewer.operator is not None and viewer.operator.name == name:
                viewer.operator = None

    def touch(self, viewer: Viewer) -> None:
        """The viewer did something: its rest begins anew."""
        viewer.active_s = self.monotonic_s()

    def rests_until_s(self, viewer: Viewer) -> float:
        """Return when the viewer will be signed out, in monotonic seconds."""
        return viewer.active_s + self.rest_s


def _fresh_cookie(language: str | None) -> str:
    return secrets.token_urlsafe(TOKEN_BYTES) + (f".{language}" if language else "")


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
