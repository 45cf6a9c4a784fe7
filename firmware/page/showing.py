"""What one front's page shows of the work: the screen, its changes, the face that is taken, bystanders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from firmware.page.browsers import Browsers, Front
from firmware.page.drawing import Drawing, Message, Now, keys_of
from firmware.page.ports import Bar, Staff, Station
from firmware.page.presses import Presses
from firmware.page.streams import HEARTBEAT_S, Part, Streams, seen_of
from firmware.page.viewers import Viewer
from firmware.page.viewfinder import MEDIA_TYPE, LiveView


class Showing:
    """Part of one front's page. fingerprint: of the certificate that tablets see."""

    def __init__(
        self,
        browsers: Browsers,
        station: Station,
        staff: Staff,
        drawing: Drawing,
        bar: Callable[[], Bar],
        live_view: LiveView,
        streams: Streams,
        presses: Presses,
        fingerprint: str,
    ) -> None:
        self._browsers = browsers
        self._station = station
        self._staff = staff
        self._drawing = drawing
        self._bar = bar
        self._live_view = live_view
        self._streams = streams
        self._presses = presses
        self._fingerprint = fingerprint
        self._names: tuple[str, ...] = ()

    async def index(self, request: Request) -> Response:
        """The whole page: the screen of this moment, or who signs in."""
        cookie, viewer = self._browsers.find(request)
        if viewer is None:
            cookie, viewer = self._browsers.viewers.make()
        if viewer.operator is None:
            return self._browsers.with_cookie(await self.ask_to_sign_in(viewer, None), cookie)
        return self._browsers.with_cookie(HTMLResponse(self.draw_screen("page.html", viewer)), cookie)

    async def events(self, request: Request) -> Response:
        """What changes on the screen; before somebody signed in, the presses of the board alone.

        Beside the work, on the pages of the day, also the language: what is typed there is not drawn anew.
        """
        _, known = self._browsers.find(request)
        viewers = self._browsers.viewers
        viewer = known or viewers.nobody()
        asks_who, beside = "asks-who" in request.query_params, "beside" in request.query_params

        def look() -> Sequence[Part] | None:
            if asks_who:
                return (self._presses.part(),)
            if not viewers.is_signed_in(viewer):
                return None
            return self._parts_beside(viewer) if beside else self._parts(viewer)

        events = self._streams.events(
            (self._station.subscribe, self._live_view.subscribe),
            look,
            lambda: HEARTBEAT_S if asks_who else viewers.rests_until_s(viewer) - viewers.monotonic_s(),
            seen=request.query_params.get("seen", ""),
            last="signed-out",
        )

        async def counted() -> AsyncIterator[bytes]:
            with self._presses.told(beside=beside):
                try:
                    async for event in events:
                        yield event
                finally:
                    await events.aclose()

        return StreamingResponse(counted(), media_type="text/event-stream")

    async def preview(self, request: Request) -> Response:
        """The face that is being taken, for staff who are signed in, as long as the screen guides it."""
        _, viewer = self._browsers.find(request)
        if viewer is None or viewer.operator is None or not self._guides_a_face() or self._live_view.full:
            return Response(status_code=204)

        async def pictures() -> AsyncIterator[bytes]:
            unsubscribe = self._station.subscribe(self._live_view.stir)
            try:
                async for part in self._live_view.pictures(
                    lambda: self._guides_a_face() and self._browsers.viewers.is_signed_in(viewer)
                ):
                    yield part
            finally:
                unsubscribe()

        return StreamingResponse(pictures(), media_type=MEDIA_TYPE)

    def _guides_a_face(self) -> bool:
        return self._station.screen.preview == "face" and not self._streams.closed

    async def bystander(self, _request: Request) -> Response:
        """The screen that faces the people who wait."""
        return HTMLResponse(self._draw_public("bystander.html"))

    async def bystander_events(self, _request: Request) -> Response:
        """What changes on that screen."""

        def look() -> list[Part]:
            return [Part("public", self._station.screen.public, lambda: self._draw_public("public.html"))]

        events = self._streams.events((self._station.subscribe,), look)
        return StreamingResponse(events, media_type="text/event-stream")

    def _parts(self, viewer: Viewer) -> tuple[Part, ...]:
        """What a viewer sees, part by part: each is sent again when it shows something else."""
        station, tag = self._station, self._browsers.tag(viewer)
        bar, advice, keys = self._bar(), self._live_view.advice, keys_of(station.screen, station.highlight)

        def drawn(template: str, **values: object) -> Callable[[], str]:
            return lambda: self._drawing.draw(template, tag, viewer=viewer, **values)

        return (
            Part(
                "screen",
                (station.revision, station.highlight, tag),
                lambda: self.draw_screen("screen.html", viewer),
            ),
            Part("bar", (bar, tag), drawn("bar.html", bar=bar)),
            Part("keys", (keys, tag), drawn("keys.html", keys=keys)),
            Part("advice", (advice, tag), drawn("advice.html", advice=advice)),
            self._presses.part(),
        )

    def _parts_beside(self, viewer: Viewer) -> tuple[Part, ...]:
        tag = self._browsers.tag(viewer)
        return (Part("language", tag, lambda: tag), self._presses.part())

    def draw_screen(self, template: str, viewer: Viewer, message: Message | None = None) -> str:
        """Return the screen of this moment as HTML, with what is told of an act."""
        station = self._station
        now = Now(station.screen, station.revision, station.highlight)
        return self._drawing.draw_screen(
            template,
            self._browsers.tag(viewer),
            now,
            viewer,
            bar=self._bar(),
            advice=self._live_view.advice,
            message=message,
            seen=seen_of(self._parts(viewer)),
            pressed=self._presses.last,
            names=self._names,
        )

    def _draw_public(self, template: str) -> str:
        return self._drawing.draw(template, self._station.language, public=self._station.screen.public)

    async def ask_to_sign_in(self, viewer: Viewer, message: Message | None, name: str = "") -> Response:
        """Return the page on which a member of staff enters name and PIN; 403 with a message."""
        # Whoever stands at the appliance picks a name; on the network nobody is told who works here.
        at_hand = self._browsers.front is Front.TOUCH
        self._names = await self._staff.names() if at_hand else ()
        page = self._drawing.draw_sign_in(
            self._browsers.tag(viewer),
            viewer,
            self._bar(),
            message,
            names=self._names,
            name=name,
            may_help=at_hand,
            pressed=self._presses.last,
            fingerprint=self._fingerprint if at_hand else "",
        )
        return HTMLResponse(page, 200 if message is None else 403)
