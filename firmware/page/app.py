"""The routes of the page, for one front: the appliance's own touch screen, or tablets on the network."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from typing import assert_never

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from firmware.notices import Notices
from firmware.page import words
from firmware.page.day_pages import DayPages
from firmware.page.drawing import FOLDER, RECORDINGS, Drawing, Message, Now, keys_of, most_typed
from firmware.page.list_pages import ListPages
from firmware.page.ports import (
    Accepted,
    Answered,
    Bar,
    DayWork,
    HeldBack,
    HeldBy,
    ListWork,
    Staff,
    Stale,
    Station,
)
from firmware.page.protection import LOOPBACK_NAMES, ProtectiveHeaders, peer_of, read_form
from firmware.page.recordings import Recordings
from firmware.page.streams import HEARTBEAT_S, Part, Streams, seen_of
from firmware.page.translate import LANGUAGES
from firmware.page.viewers import Operator, Viewer, Viewers
from firmware.page.viewfinder import MEDIA_TYPE, LiveView
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.screen import Acted, Entry
from sensors.board.port import Button

MOST_PRESSES = 32
"""How many presses of the board's buttons a browser that is slow can be told of."""


@unique
class Front(Enum):
    """Where a browser stands: at the appliance itself, over loopback, or on the site's network."""

    TOUCH = "touch"
    TABLET = "tablet"


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
    ) -> None:
        self._front = front
        self._station = station
        self._staff = staff
        self._bar = bar
        self._monotonic_s = monotonic_s
        self._streams = streams
        self._live_view = live_view
        self._presses: deque[tuple[int, Button]] = deque(maxlen=MOST_PRESSES)
        self._listening = 0
        self._fingerprint = rules.fingerprint
        self._names: tuple[str, ...] = ()
        self._viewers = Viewers(monotonic_s, rules.rest_s)
        self._drawing = Drawing(
            sounds=rules.sounds, speaks=rules.speaks, recordings=recordings, notices=notices
        )
        # A cookie with this prefix is taken over TLS alone, and from no other host or path.
        self._cookie = "viewer" if front is Front.TOUCH else "__Host-viewer"
        routes: list[Route | Mount] = [
            Route("/", self._index),
            Route("/events", self._events),
            Route("/preview", self._preview),
            Route("/act", self._act, methods=["POST"]),
            Route("/press", self._press, methods=["POST"]),
            Route("/take-over", self._take_over, methods=["POST"]),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/health", self._health),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]
        if recordings.folder is not None:
            routes.append(Mount(RECORDINGS, StaticFiles(directory=recordings.folder)))
        if day is not None:
            of_day = DayPages(
                day,
                station,
                self._drawing,
                bar,
                self._tag,
                self._signed_in,
                self._sender,
                loads=lists is not None,
            )
            routes += of_day.routes
        if lists is not None:
            at_hand = front is Front.TOUCH
            of_list = ListPages(
                lists,
                station,
                staff,
                self._drawing,
                bar,
                self._tag,
                self._signed_in,
                self._sender,
                # The browser of the touch screen would show the appliance's own files.
                uploads=not at_hand,
                shows_names=at_hand,
            )
            routes += of_list.routes
        if rules.bystanders:
            routes += [
                Route("/bystander", self._bystander),
                Route("/bystander/events", self._bystander_events),
            ]
        middleware = [Middleware(ProtectiveHeaders)]
        if front is Front.TOUCH:
            # No other site may read the page by pointing its own name at this machine.
            middleware.append(
                Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES, www_redirect=False)
            )
        self.app = Starlette(
            routes=routes, middleware=middleware, exception_handlers={HTTPException: _refused}
        )

    def is_signed_in(self, scope: Scope) -> bool:
        """Tell of a request, as ASGI has it, whether somebody who is signed in here sends it."""
        return scope["type"] == "http" and self._signed_in(Request(scope)) is not None

    # --- the buttons of the board ----------------------------------------------------------------------

    @property
    def at_hand(self) -> str:
        """Who is signed in here, empty for nobody."""
        operator = self._viewers.signed_in()
        return "" if operator is None else operator.name

    def takes(self, button: Button) -> bool:
        """Take OK or AGAIN, to move about the controls, where a name, PIN or number is entered."""
        # A card is shown to the camera: the buttons stay with the choices then.
        typed = (Entry.NUMBER, Entry.PIN, Entry.COUNTERSIGN)
        entering = self._viewers.signed_in() is None or self._station.screen.entry in typed
        if button not in (Button.OK, Button.AGAIN) or not entering or not self._listening:
            return False
        self._presses.append((self._pressed + 1, button))
        self._streams.wake()
        return True

    @property
    def _pressed(self) -> int:
        """Number of the last press that the page took."""
        return self._presses[-1][0] if self._presses else 0

    def _press_part(self) -> Part:
        """The last presses with their numbers: a browser does those that it has not done."""
        taken = " ".join(f"{number}:{button.value}" for number, button in self._presses)
        return Part("press", self._pressed, lambda: taken)

    # --- what is shown ---------------------------------------------------------------------------------

    async def _index(self, request: Request) -> Response:
        cookie, viewer = self._viewer(request)
        if viewer is None:
            cookie, viewer = self._viewers.make()
        if viewer.operator is None:
            return self._with_cookie(await self._ask_to_sign_in(viewer, None), cookie)
        return self._with_cookie(HTMLResponse(self._draw_screen("page.html", viewer)), cookie)

    async def _events(self, request: Request) -> Response:
        _, known = self._viewer(request)
        viewer = known or self._viewers.nobody()

        asks_who = "asks-who" in request.query_params

        def look() -> Sequence[Part] | None:
            if asks_who:
                return (self._press_part(),)
            return self._parts(viewer) if self._viewers.is_signed_in(viewer) else None

        events = self._streams.events(
            (self._station.subscribe, self._live_view.subscribe),
            look,
            lambda: HEARTBEAT_S if asks_who else self._viewers.rests_until_s(viewer) - self._monotonic_s(),
            seen=request.query_params.get("seen", ""),
            last="signed-out",
        )

        async def counted() -> AsyncIterator[bytes]:
            self._listening += 1
            try:
                async for event in events:
                    yield event
            finally:
                self._listening -= 1
                await events.aclose()

        return StreamingResponse(counted(), media_type="text/event-stream")

    async def _preview(self, request: Request) -> Response:
        """The face that is being taken, for staff who are signed in, as long as the screen guides it."""
        _, viewer = self._viewer(request)
        if viewer is None or viewer.operator is None or not self._guides_a_face() or self._live_view.full:
            return Response(status_code=204)

        async def pictures() -> AsyncIterator[bytes]:
            unsubscribe = self._station.subscribe(self._live_view.stir)
            try:
                async for part in self._live_view.pictures(
                    lambda: self._guides_a_face() and self._viewers.is_signed_in(viewer)
                ):
                    yield part
            finally:
                unsubscribe()

        return StreamingResponse(pictures(), media_type=MEDIA_TYPE)

    def _guides_a_face(self) -> bool:
        return self._station.screen.preview == "face" and not self._streams.closed

    async def _bystander(self, _request: Request) -> Response:
        return HTMLResponse(self._draw_public("bystander.html"))

    async def _bystander_events(self, _request: Request) -> Response:
        def look() -> list[Part]:
            return [Part("public", self._station.screen.public, lambda: self._draw_public("public.html"))]

        events = self._streams.events((self._station.subscribe,), look)
        return StreamingResponse(events, media_type="text/event-stream")

    async def _health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    # --- what is done ----------------------------------------------------------------------------------

    async def _act(self, request: Request) -> Response:
        fields = await read_form(request)
        viewer = self._sender(request, fields)
        if viewer.operator is None:
            return _to_index(request)
        act, value = fields.get("act", ""), fields.get("value", "")
        entry = self._station.screen.entry
        if entry is not None and act == entry.value and len(value) > most_typed(entry):
            raise HTTPException(413, "too long")
        if "second_name" in fields:
            value = f"{fields['second_name'].strip()}\n{value}"
        acted = Acted(act, value, viewer.operator.name)
        return self._told(request, viewer, await self._station.act(_revision(fields), acted))

    async def _press(self, request: Request) -> Response:
        fields = await read_form(request)
        viewer = self._sender(request, fields)
        try:
            button = Button(fields.get("button"))
        except ValueError as error:
            raise HTTPException(400, "no such button") from error
        if button is Button.LANGUAGE and self._front is Front.TABLET:
            language = _after(self._tag(viewer))
            if viewer.operator is None:
                cookie, _ = self._viewers.make(language)
                return self._with_cookie(_to_index(request), cookie)
            viewer.language = language
            return _to_index(request)
        # At the appliance anybody may call a person; on the network a stranger could stop the work with it.
        always = self._front is Front.TOUCH and button in (Button.HELP, Button.LANGUAGE)
        if viewer.operator is None:
            if always:
                await self._station.press(button)
            return _to_index(request)
        return self._told(request, viewer, await self._station.press(button, viewer.operator.name))

    async def _take_over(self, request: Request) -> Response:
        fields = await read_form(request)
        viewer = self._sender(request, fields)
        if viewer.operator is None:
            return _to_index(request)
        await self._station.take_over(viewer.operator.name)
        return self._told(request, viewer, Accepted())

    async def _sign_in(self, request: Request) -> Response:
        fields = await read_form(request)
        cookie, viewer = self._viewer(request)
        if viewer is None or not viewer.accepts(fields.get("form_token", "")):
            cookie, viewer = self._viewers.make()
            return self._with_cookie(await self._ask_to_sign_in(viewer, Message(words.OPEN_ANEW)), cookie)
        name = fields.get("name", "").strip()
        checked = await self._staff.check_pin(name, fields.get("pin", ""), self._peer(request))
        match checked:
            case PinWrong(tries_left):
                return await self._ask_to_sign_in(viewer, Message(words.wrong_pin(tries_left)), name)
            case PinWaits(wait_s):
                return await self._ask_to_sign_in(viewer, Message(words.wait_for_pin(wait_s)), name)
            case role:
                cookie = self._viewers.sign_in(cookie, Operator(name, role))
        return self._with_cookie(RedirectResponse("/", 303), cookie)

    async def _sign_out(self, request: Request) -> Response:
        fields = await read_form(request)
        self._sender(request, fields)
        self._viewers.sign_out(request.cookies.get(self._cookie, ""))
        return _to_index(request)

    # --- helpers ---------------------------------------------------------------------------------------

    def _peer(self, request: Request) -> str:
        return "" if self._front is Front.TOUCH else peer_of(request)

    def _tag(self, viewer: Viewer) -> str:
        # A cookie carries the language of who is not signed in, and a cookie may hold anything.
        tag = viewer.language
        return tag if tag is not None and tag in LANGUAGES else self._station.language

    def _parts(self, viewer: Viewer) -> tuple[Part, ...]:
        """What a viewer sees, part by part: each is sent again when it shows something else."""
        station, tag = self._station, self._tag(viewer)
        bar, advice, keys = self._bar(), self._live_view.advice, keys_of(station.screen, station.highlight)

        def drawn(template: str, **values: object) -> Callable[[], str]:
            return lambda: self._drawing.draw(template, tag, viewer=viewer, **values)

        return (
            Part(
                "screen",
                (station.revision, station.highlight, tag),
                lambda: self._draw_screen("screen.html", viewer),
            ),
            Part("bar", (bar, tag), drawn("bar.html", bar=bar)),
            Part("keys", (keys, tag), drawn("keys.html", keys=keys)),
            Part("advice", (advice, tag), drawn("advice.html", advice=advice)),
            self._press_part(),
        )

    def _draw_screen(self, template: str, viewer: Viewer, message: Message | None = None) -> str:
        station = self._station
        now = Now(station.screen, station.revision, station.highlight)
        return self._drawing.draw_screen(
            template,
            self._tag(viewer),
            now,
            viewer,
            bar=self._bar(),
            advice=self._live_view.advice,
            message=message,
            seen=seen_of(self._parts(viewer)),
            pressed=self._pressed,
            names=self._names,
        )

    def _draw_public(self, template: str) -> str:
        return self._drawing.draw(template, self._station.language, public=self._station.screen.public)

    async def _ask_to_sign_in(self, viewer: Viewer, message: Message | None, name: str = "") -> Response:
        # Whoever stands at the appliance picks a name; on the network nobody is told who works here.
        at_hand = self._front is Front.TOUCH
        self._names = await self._staff.names() if at_hand else ()
        page = self._drawing.draw_sign_in(
            self._tag(viewer),
            viewer,
            self._bar(),
            message,
            names=self._names,
            name=name,
            may_help=at_hand,
            pressed=self._pressed,
            fingerprint=self._fingerprint if at_hand else "",
        )
        return HTMLResponse(page, 200 if message is None else 403)

    def _viewer(self, request: Request) -> tuple[str, Viewer | None]:
        cookie = request.cookies.get(self._cookie, "")
        return cookie, self._viewers.find(cookie)

    def _signed_in(self, request: Request) -> Viewer | None:
        """Return who asks, None where nobody is signed in."""
        _, viewer = self._viewer(request)
        return viewer if viewer is not None and viewer.operator is not None else None

    def _sender(self, request: Request, fields: dict[str, str]) -> Viewer:
        """Return who sent a form of this page. Raises HTTPException."""
        _, viewer = self._viewer(request)
        if viewer is None or not viewer.accepts(fields.get("form_token", "")):
            raise HTTPException(403, "not from a page of this viewer")
        self._viewers.touch(viewer)
        return viewer

    def _told(self, request: Request, viewer: Viewer, answered: Answered) -> Response:
        """Answer an act: with a sentence, or with nothing where the next screen comes by itself."""
        match answered:
            case Accepted() | HeldBack():
                return Response(status_code=204) if _is_fragment(request) else RedirectResponse("/", 303)
            case Stale():
                message = Message(words.MOVED_ON)
            case HeldBy(other):
                message = Message(words.held_by(other), may_take_over=True)
            case _:
                assert_never(answered)
        template = "screen.html" if _is_fragment(request) else "page.html"
        return HTMLResponse(self._draw_screen(template, viewer, message))

    def _with_cookie(self, answer: Response, cookie: str) -> Response:
        answer.set_cookie(
            self._cookie,
            cookie,
            path="/",
            secure=self._front is Front.TABLET,
            httponly=True,
            samesite="strict",
        )
        return answer


def _is_fragment(request: Request) -> bool:
    return "hx-request" in request.headers


def _to_index(request: Request) -> Response:
    """Have the browser draw the whole page anew."""
    return Response(headers={"HX-Redirect": "/"}) if _is_fragment(request) else RedirectResponse("/", 303)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 403 and _is_fragment(request):
        return _to_index(request)
    return PlainTextResponse(f"{error.detail}\n", error.status_code)


def _revision(fields: dict[str, str]) -> int:
    try:
        return int(fields.get("revision", ""))
    except ValueError:
        return -1


def _after(tag: str) -> str:
    tags = list(LANGUAGES)
    return tags[(tags.index(tag) + 1) % len(tags)] if tag in LANGUAGES else tags[0]
