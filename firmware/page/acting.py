"""What is done on one front's page: acts, the buttons, taking over, signing in and out."""

from __future__ import annotations

from typing import assert_never

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from firmware.page import words
from firmware.page.beside import Place
from firmware.page.browsers import Browsers, Front
from firmware.page.drawing import Message, most_typed
from firmware.page.ports import Accepted, Answered, HeldBack, HeldBy, Staff, Stale, Station
from firmware.page.showing import Showing
from firmware.page.translate import LANGUAGES
from firmware.page.viewers import Operator, Viewer
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.screen import Acted
from sensors.board.port import Button
from trust.web.protection import read_form


class Acting:
    """Part of one front's page, beside `Showing`, which draws the answers."""

    def __init__(self, browsers: Browsers, station: Station, staff: Staff, showing: Showing) -> None:
        self._browsers = browsers
        self._station = station
        self._staff = staff
        self._showing = showing

    async def act(self, request: Request) -> Response:
        """Do what was chosen or entered on a screen."""
        fields = await read_form(request)
        viewer = self._browsers.sender(request, fields)
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

    async def press(self, request: Request) -> Response:
        """Do what the button of the same name on the board does."""
        fields = await read_form(request)
        viewer = self._browsers.sender(request, fields)
        try:
            button = Button(fields.get("button"))
        except ValueError as error:
            raise HTTPException(400, "no such button") from error
        if button is Button.LANGUAGE and self._browsers.front is Front.TABLET:
            language = _after(self._browsers.tag(viewer))
            if viewer.operator is None:
                cookie, _ = self._browsers.viewers.make(language)
                return self._browsers.with_cookie(_to_index(request), cookie)
            viewer.language = language
            return _to(request, _beside(fields.get("place", "")))
        # At the appliance anybody may call a person; on the network a stranger could stop the work with it.
        always = self._browsers.front is Front.TOUCH and button in (Button.HELP, Button.LANGUAGE)
        place = _beside(fields.get("place", "")) if button is Button.LANGUAGE else "/"
        if viewer.operator is None:
            if always:
                await self._station.press(button)
            return _to_index(request)
        pressed = await self._station.press(button, viewer.operator.name)
        return RedirectResponse(place, 303) if place != "/" else self._told(request, viewer, pressed)

    async def take_over(self, request: Request) -> Response:
        """Let who sends it serve the person in place of a colleague."""
        fields = await read_form(request)
        viewer = self._browsers.sender(request, fields)
        if viewer.operator is None:
            return _to_index(request)
        await self._station.take_over(viewer.operator.name)
        return self._told(request, viewer, Accepted())

    async def sign_in(self, request: Request) -> Response:
        """Sign somebody in, or say what is wrong or how long to wait."""
        fields = await read_form(request)
        cookie, viewer = self._browsers.find(request)
        if viewer is None or not viewer.accepts(fields.get("form_token", "")):
            cookie, viewer = self._browsers.viewers.make()
            return self._browsers.with_cookie(
                await self._showing.ask_to_sign_in(viewer, Message(words.OPEN_ANEW)), cookie
            )
        name = fields.get("name", "").strip()
        checked = await self._staff.check_pin(name, fields.get("pin", ""), self._browsers.peer(request))
        match checked:
            case PinWrong(tries_left):
                return await self._showing.ask_to_sign_in(viewer, Message(words.wrong_pin(tries_left)), name)
            case PinWaits(wait_s):
                return await self._showing.ask_to_sign_in(viewer, Message(words.wait_for_pin(wait_s)), name)
            case role:
                cookie = self._browsers.viewers.sign_in(cookie, Operator(name, role))
        return self._browsers.with_cookie(RedirectResponse("/", 303), cookie)

    async def sign_out(self, request: Request) -> Response:
        """Sign out who sends it."""
        fields = await read_form(request)
        self._browsers.sender(request, fields)
        self._browsers.viewers.sign_out(self._browsers.cookie(request))
        return _to_index(request)

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
        return HTMLResponse(self._showing.draw_screen(template, viewer, message))


def _is_fragment(request: Request) -> bool:
    return "hx-request" in request.headers


def _to_index(request: Request) -> Response:
    """Have the browser draw the whole page anew."""
    return _to(request, "/")


def _to(request: Request, path: str) -> Response:
    return Response(headers={"HX-Redirect": path}) if _is_fragment(request) else RedirectResponse(path, 303)


def _beside(path: str) -> str:
    """Return the page beside the work from which a button was pressed, "/" for the work's own screen."""
    return path if path in {place.value for place in Place} else "/"


async def refused(request: Request, error: Exception) -> Response:
    """Answer what may not be done; a viewer whom the page does not know gets it anew."""
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
