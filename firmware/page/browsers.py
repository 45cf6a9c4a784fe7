"""Which viewer a request comes from: each front knows its browsers by a cookie."""

from __future__ import annotations

from enum import Enum, unique

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from firmware.page.ports import Station
from firmware.page.translate import LANGUAGES
from firmware.page.viewers import Viewer, Viewers
from trust.web.protection import peer_of


@unique
class Front(Enum):
    """Where a browser stands: at the appliance itself, over loopback, or on the site's network."""

    TOUCH = "touch"
    TABLET = "tablet"


class Browsers:
    """The browsers of one front."""

    def __init__(self, front: Front, viewers: Viewers, station: Station) -> None:
        self.front = front
        self.viewers = viewers
        self._station = station
        # A cookie with this prefix is taken over TLS alone, and from no other host or path.
        self._cookie = "viewer" if front is Front.TOUCH else "__Host-viewer"

    def cookie(self, request: Request) -> str:
        """Return the cookie that a request carries, empty for none."""
        return request.cookies.get(self._cookie, "")

    def find(self, request: Request) -> tuple[str, Viewer | None]:
        """Return the cookie of a request and whose it is, None for none."""
        cookie = self.cookie(request)
        return cookie, self.viewers.find(cookie)

    def signed_in(self, request: Request) -> Viewer | None:
        """Return who asks, None where nobody is signed in."""
        _, viewer = self.find(request)
        return viewer if viewer is not None and viewer.operator is not None else None

    def sender(self, request: Request, fields: dict[str, str]) -> Viewer:
        """Return who sent a form of this page. Raises HTTPException."""
        _, viewer = self.find(request)
        if viewer is None or not viewer.accepts(fields.get("form_token", "")):
            raise HTTPException(403, "not from a page of this viewer")
        self.viewers.touch(viewer)
        return viewer

    def peer(self, request: Request) -> str:
        """Return by what wrong PINs are counted: the address on the network, empty at the appliance."""
        return "" if self.front is Front.TOUCH else peer_of(request)

    def tag(self, viewer: Viewer) -> str:
        """Return in which language a viewer reads."""
        # A cookie carries the language of who is not signed in, and a cookie may hold anything.
        tag = viewer.language
        return tag if tag is not None and tag in LANGUAGES else self._station.language

    def with_cookie(self, answer: Response, cookie: str) -> Response:
        """Return the answer, which sets the cookie."""
        answer.set_cookie(
            self._cookie,
            cookie,
            path="/",
            secure=self.front is Front.TABLET,
            httponly=True,
            samesite="strict",
        )
        return answer
