"""The routes of the page, for one front: the appliance's own touch screen, or tablets on the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from firmware.notices import Notices
from firmware.page.acting import Acting, refused
from firmware.page.beside import Beside
from firmware.page.browsers import Browsers, Front
from firmware.page.day_pages import DayPages
from firmware.page.drawing import FOLDER, RECORDINGS, Drawing
from firmware.page.list_pages import ListPages
from firmware.page.ports import Bar, DayWork, ListWork, Staff, StaffWork, Station, UpdateWork
from firmware.page.presses import Presses
from firmware.page.recordings import Recordings
from firmware.page.showing import Showing
from firmware.page.staff_pages import StaffPages
from firmware.page.streams import Streams
from firmware.page.update_pages import UpdatePages
from firmware.page.viewers import Viewers
from firmware.page.viewfinder import LiveView
from firmware.workflow.screen import Entry
from sensors.board.port import Button
from trust.web.protection import LOOPBACK_NAMES, ProtectiveHeaders


@dataclass(frozen=True, slots=True)
class Rules:
    """How a page behaves.

    rest_s: after so long without an act somebody is signed out. bystanders: whether their screen is served.
    sounds: whether the browser plays the tones, for appliances without a board. speaks: whether it plays the
    recordings unasked, where people stand before it. fingerprint: of the certificate that tablets see.
    """

    rest_s: float = 900.0
    bystanders: bool = True
    sounds: bool = False
    speaks: bool = True
    fingerprint: str = ""


class Page:
    """The page of one front; `app` is what a server serves."""

    def __init__(
        self,
        front: Front,
        station: Station,
        staff: Staff,
        bar: Callable[[], Bar],
        live_view: LiveView,
        monotonic_s: Callable[[], float],
        streams: Streams,
        rules: Rules,
        recordings: Recordings,
        notices: Notices,
        day: DayWork | None = None,
        lists: ListWork | None = None,
        members: StaffWork | None = None,
        updates: UpdateWork | None = None,
        forget: Callable[[str], None] | None = None,
    ) -> None:
        """forget: signs somebody out on every front, who was let in no more; this one alone by default."""
        self._station = station
        self._streams = streams
        self._presses = Presses(monotonic_s)
        self._viewers = Viewers(monotonic_s, rules.rest_s)
        self._browsers = Browsers(front, self._viewers, station)
        drawing = Drawing(sounds=rules.sounds, speaks=rules.speaks, recordings=recordings, notices=notices)
        showing = Showing(
            self._browsers,
            station,
            staff,
            drawing,
            bar,
            live_view,
            streams,
            self._presses,
            rules.fingerprint,
        )
        acting = Acting(self._browsers, station, staff, showing)
        beside = Beside(self._browsers, drawing, bar, self._presses)
        routes: list[Route | Mount] = [
            Route("/", showing.index),
            Route("/events", showing.events),
            Route("/preview", showing.preview),
            Route("/act", acting.act, methods=["POST"]),
            Route("/press", acting.press, methods=["POST"]),
            Route("/take-over", acting.take_over, methods=["POST"]),
            Route("/sign-in", acting.sign_in, methods=["POST"]),
            Route("/sign-out", acting.sign_out, methods=["POST"]),
            Route("/health", _health),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]
        if recordings.folder is not None:
            routes.append(Mount(RECORDINGS, StaticFiles(directory=recordings.folder)))
        if day is not None:
            routes += DayPages(
                day,
                station,
                beside,
                self._browsers,
                loads=lists is not None,
                staffs=members is not None,
                updates=updates is not None,
            ).routes
        if members is not None:
            routes += StaffPages(members, beside, self._browsers, forget or self._viewers.forget).routes
        if updates is not None:
            routes += UpdatePages(updates, staff, beside, self._browsers).routes
        if lists is not None:
            routes += ListPages(lists, station, staff, beside, self._browsers).routes
        if rules.bystanders:
            routes += [
                Route("/bystander", showing.bystander),
                Route("/bystander/events", showing.bystander_events),
            ]
        middleware = [Middleware(ProtectiveHeaders)]
        if front is Front.TOUCH:
            # No other site may read the page by pointing its own name at this machine.
            middleware.append(
                Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES, www_redirect=False)
            )
        self.app = Starlette(
            routes=routes, middleware=middleware, exception_handlers={HTTPException: refused}
        )

    def is_signed_in(self, scope: Scope) -> bool:
        """Tell of a request, as ASGI has it, whether somebody who is signed in here sends it."""
        return scope["type"] == "http" and self._browsers.signed_in(Request(scope)) is not None

    def forget(self, name: str) -> None:
        """Sign somebody out here."""
        self._viewers.forget(name)

    @property
    def at_hand(self) -> str:
        """Who is signed in here, empty for nobody."""
        operator = self._viewers.signed_in()
        return "" if operator is None else operator.name

    def takes(self, button: Button) -> bool:
        """Take OK or AGAIN, to move about the controls, where a name, PIN or number is entered.

        So on the pages beside the work, which are told of HELP too: it leads back to the screen.
        """
        if button is Button.HELP and self._presses.beside:
            self._tell_browsers(button)
            return False
        # A card is shown to the camera: the buttons stay with the choices then.
        typed = (Entry.NUMBER, Entry.PIN, Entry.COUNTERSIGN)
        entering = self._viewers.signed_in() is None or self._station.screen.entry in typed
        moves = self._presses.beside or (entering and self._presses.listening)
        if button not in (Button.OK, Button.AGAIN) or not moves:
            return False
        self._tell_browsers(button)
        return True

    def _tell_browsers(self, button: Button) -> None:
        self._presses.take(button)
        self._streams.wake()


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")
