"""The page of the first boot: which step it is, and what to do.

For the appliance's own screen, and for tablets on the network, which need a number that its screen shows.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from firmware.first_boot import words
from firmware.first_boot.ports import Boot
from firmware.first_boot.terms import Situation, Step
from firmware.notices import Notices
from firmware.page.drawing import FOLDER, Drawing
from firmware.page.number_gate import Handler, NumberDoor, NumberGate
from firmware.page.presses import Presses
from firmware.page.recordings import Recordings
from firmware.page.streams import HEARTBEAT_S, Part, Streams, seen_of
from firmware.page.translate import LANGUAGES
from firmware.page.words import PINS_DIFFER
from firmware.workflow.screen import Text
from sensors.board.port import Button
from trust.network import Wifi
from trust.tls.address import Address
from trust.web.protection import LOOPBACK_NAMES, ProtectiveHeaders, read_form
from trust.web.server import PageServer

PLACE = "/first-boot"
WIFI = f"{PLACE}/wifi"
NUMBER = f"{PLACE}/number"
LAST_WORDS_S = 2.0
"""So long browsers have at the end to hear that the appliance is ready."""
log = structlog.get_logger()


class FirstBootPage:
    """Use `start` and `stop`. One screen looks at it, so the language is one for all.

    gate: in front of the page in the network; None for the appliance's own screen.
    """

    def __init__(self, boot: Boot, monotonic_s: Callable[[], float], gate: NumberGate | None = None) -> None:
        self._boot = boot
        self._door = NumberDoor(gate, PLACE, self._draw_number)
        self._language = ""
        self._streams = Streams()
        self._presses = Presses(monotonic_s)
        self._open = 0
        self._nobody_looks = asyncio.Event()
        self._nobody_looks.set()
        self._drawing = Drawing(sounds=False, speaks=False, recordings=Recordings(None), notices=Notices())
        behind: list[tuple[str, Handler, str]] = [
            (PLACE, self._index, "GET"),
            (f"{PLACE}/events", self._events, "GET"),
            (f"{PLACE}/act", self._act, "POST"),
            (WIFI, self._ask_for_wifi, "GET"),
            (WIFI, self._wifi, "POST"),
            (f"{PLACE}/supervisor", self._supervisor, "POST"),
            (f"{PLACE}/language", self._next_language, "POST"),
        ]
        routes: list[Route | Mount] = [
            Route("/", _to_page),
            *(Route(place, self._door.before(do), methods=[method]) for place, do, method in behind),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]
        middleware = [Middleware(ProtectiveHeaders)]
        if gate is None:
            # No other site may read the page by pointing its own name at this machine.
            middleware.append(
                Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES, www_redirect=False)
            )
        else:
            routes.append(Route(NUMBER, self._door.enter, methods=["POST"]))
        self.app = Starlette(
            routes=routes, middleware=middleware, exception_handlers={HTTPException: _refused}
        )
        self._server: PageServer | None = None

    async def start(self, address: Address, tls: ssl.SSLContext | None = None) -> str:
        """Listen; returns where, as a browser writes it. Raises AddressInUse."""
        self._server = PageServer(
            address, self.app, tls, is_signed_in=self._door.is_let_in, elsewhere="name another under [page]"
        )
        return f"{'http' if tls is None else 'https'}://{await self._server.start()}/"

    async def stop(self) -> None:
        """Let browsers hear the last, and stop listening."""
        if self._boot.situation.ready:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S):
                    await self._nobody_looks.wait()
        self._streams.close()
        if self._server is not None:
            await self._server.stop()

    @property
    def is_looked_at(self) -> bool:
        """Whether a browser shows it now."""
        return self._open > 0

    def press(self, button: Button) -> None:
        """Take a button of the board: it moves about the page as on every other one."""
        if button is Button.LANGUAGE:
            self._language = _after(self._tag())
        else:
            self._presses.take(button)
        self._streams.wake()

    # --- what is shown ---------------------------------------------------------------------------------

    async def _index(self, _request: Request) -> Response:
        return self._drawn()

    async def _events(self, request: Request) -> Response:
        told, beside = False, "beside" in request.query_params

        def look() -> Sequence[Part] | None:
            nonlocal told
            if told:
                return None
            told = self._boot.situation.ready
            # Where something is typed, nothing is drawn anew but by whoever types.
            return (self._presses.part(),) if beside else self._parts()

        events = self._streams.events(
            (self._boot.subscribe,),
            look,
            lambda: 0.0 if told else HEARTBEAT_S,
            seen=request.query_params.get("seen", ""),
            last="ready",
        )

        async def counted() -> AsyncIterator[bytes]:
            self._open += 1
            self._nobody_looks.clear()
            try:
                with self._presses.told(beside=False):
                    async for event in events:
                        yield event
            finally:
                await events.aclose()
                self._open -= 1
                if not self._open:
                    self._nobody_looks.set()

        return StreamingResponse(counted(), media_type="text/event-stream")

    def _parts(self) -> tuple[Part, ...]:
        state = (self._boot.situation, self._tag())
        return (Part("screen", state, lambda: self.draw("first_boot_screen.html")), self._presses.part())

    def _drawn(self, message: Text | None = None, asks: str = "") -> Response:
        return HTMLResponse(self.draw("first_boot.html", message, asks), 200 if message is None else 400)

    def draw(self, template: str, message: Text | None = None, asks: str = "") -> str:
        """Return the page, or the part of it that changes.

        message: about what was just entered. asks: "wifi" for its fields instead of the step.
        """
        situation = self._boot.situation
        if situation.step is Step.SUPERVISOR and not situation.ready:
            asks = "supervisor"
        return self._drawing.draw(
            template,
            self._tag(),
            situation=situation,
            screen=words.wifi_screen() if asks == "wifi" else words.screen_of(situation),
            boot=words,
            steps=_steps(situation),
            asks=asks,
            message=message,
            pressed=self._presses.last,
            seen=seen_of(self._parts()),
            revision=abs(hash(situation)) % 1_000_000,
        )

    def _draw_number(self, message: Text | None) -> str:
        return self._drawing.draw("first_boot_number.html", self._tag(), boot=words, message=message)

    def _tag(self) -> str:
        return self._language or next(iter(self._boot.situation.languages), "en")

    # --- what is done ----------------------------------------------------------------------------------

    async def _act(self, request: Request) -> Response:
        match (await read_form(request)).get("act"):
            case "again":
                self._boot.again()
            case "go on":
                self._boot.go_on()
            case "wifi":
                return RedirectResponse(WIFI, 303)
            case _:
                raise HTTPException(400, "no such act")
        return await _to_page(request)

    async def _ask_for_wifi(self, _request: Request) -> Response:
        return self._drawn(asks="wifi")

    async def _wifi(self, request: Request) -> Response:
        fields = await read_form(request)
        name, passphrase = fields.get("name", ""), fields.get("passphrase", "")
        given = {"name": name, "passphrase": passphrase, "security": "any" if passphrase else "open"}
        try:
            wifi = msgspec.convert(given, Wifi, strict=True)
        except msgspec.ValidationError:
            return self._drawn(words.NOT_WIFI, "wifi")
        self._boot.take_wifi(wifi)
        return await _to_page(request)

    async def _supervisor(self, request: Request) -> Response:
        fields = await read_form(request)
        if fields.get("pin") != fields.get("again"):
            return self._drawn(PINS_DIFFER)
        self._boot.name_supervisor(fields.get("name", "").strip(), bytearray(fields.get("pin", ""), "utf-8"))
        return await _to_page(request)

    async def _next_language(self, request: Request) -> Response:
        await read_form(request)
        self._language = _after(self._tag())
        self._streams.wake()
        return await _to_page(request)


def _steps(situation: Situation) -> tuple[tuple[Text, str], ...]:
    """Return each step and whether it is "done", "now" or "next"."""
    steps = tuple(Step)
    now = len(steps) if situation.ready else steps.index(situation.step)
    return tuple(
        (words.STEPS[step], "done" if place < now else "now" if place == now else "next")
        for place, step in enumerate(steps)
    )


def _after(tag: str) -> str:
    languages = tuple(LANGUAGES)
    return languages[(languages.index(tag.partition("-")[0]) + 1) % len(languages)]


async def _to_page(_request: Request) -> Response:
    return RedirectResponse(PLACE, 303)


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return PlainTextResponse(f"{error.detail}\n", error.status_code)
