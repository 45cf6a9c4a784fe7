"""Who looks at the page: one cookie each, who is signed in behind it, and since when it rests."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware.workflow.terms import Role

MOST_VIEWERS = 64
"""More browsers than one lane ever has; whoever looked longest ago makes room."""
TOKEN_BYTES = 32


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
    """All browsers, by the digest of their cookie.

    monotonic_s: reads the clock. rest_s: after so long without an act somebody is signed out.
    """

    monotonic_s: Callable[[], float]
    rest_s: float
    _known: OrderedDict[bytes, Viewer] = field(default_factory=OrderedDict)

    def find(self, cookie: str) -> Viewer | None:
        """Return whose cookie it is; somebody who rested too long is signed out first."""
        digest = _digest(cookie)
        viewer = self._known.get(digest)
        if viewer is None:
            return None
        self._known.move_to_end(digest)
        self.is_signed_in(viewer)
        return viewer

    def is_signed_in(self, viewer: Viewer) -> bool:
        """Tell whether somebody is signed in; whoever rested too long is signed out now."""
        if self.rests_until_s(viewer) <= self.monotonic_s():
            viewer.operator = None
        return viewer.operator is not None

    def make(self) -> tuple[str, Viewer]:
        """Return a new cookie and its viewer, not signed in."""
        cookie, viewer = secrets.token_urlsafe(TOKEN_BYTES), self._fresh()
        self._known[_digest(cookie)] = viewer
        while len(self._known) > MOST_VIEWERS:
            self._known.popitem(last=False)
        return cookie, viewer

    def signed_in(self) -> Operator | None:
        """Return who did something last of those who are signed in."""
        present = [viewer for viewer in self._known.values() if self.is_signed_in(viewer)]
        return max(present, key=lambda viewer: viewer.active_s).operator if present else None

    def nobody(self) -> Viewer:
        """Return a viewer whom no cookie leads to."""
        return self._fresh()

    def sign_in(self, cookie: str, operator: Operator) -> str:
        """Sign somebody in under a new cookie, which is returned; the old one is worth nothing any more."""
        former = self._known.pop(_digest(cookie), None)
        fresh, viewer = self.make()
        viewer.operator = operator
        viewer.language = former.language if former is not None else None
        return fresh

    def sign_out(self, cookie: str) -> None:
        """Forget the viewer."""
        viewer = self._known.pop(_digest(cookie), None)
        if viewer is not None:
            viewer.operator = None

    def touch(self, viewer: Viewer) -> None:
        """The viewer did something: its rest begins anew."""
        viewer.active_s = self.monotonic_s()

    def rests_until_s(self, viewer: Viewer) -> float:
        """Return when the viewer will be signed out, in monotonic seconds."""
        return viewer.active_s + self.rest_s

    def _fresh(self) -> Viewer:
        return Viewer(secrets.token_urlsafe(TOKEN_BYTES), self.monotonic_s())


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
