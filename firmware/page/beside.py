"""Draws the pages beside the work, the day and its list, where the four buttons act as on every screen."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique

from starlette.responses import HTMLResponse, Response

from firmware.page.browsers import Browsers
from firmware.page.drawing import Drawing, keys_beside
from firmware.page.ports import Bar
from firmware.page.presses import Presses
from firmware.page.viewers import Viewer


@unique
class Place(Enum):
    """Where LANGUAGE leads from a page beside the work: to the same one, in the next language."""

    DAY = "/day"
    CLOSE = "/day/close"
    LIST = "/day/list"
    QUEUE = "/day/queue"
    STAFF = "/day/staff"
    UPDATE = "/day/update"


class Beside:
    """Part of one front's page, for `DayPages` and `ListPages`."""

    def __init__(
        self, browsers: Browsers, drawing: Drawing, bar: Callable[[], Bar], presses: Presses
    ) -> None:
        self._browsers = browsers
        self._drawing = drawing
        self._bar = bar
        self._presses = presses

    def drawn(
        self, template: str, viewer: Viewer, place: Place, status: int = 200, **values: object
    ) -> Response:
        """Return a page in the viewer's language, with the bar above it and the keys below."""
        page = self._drawing.draw(
            template,
            self._browsers.tag(viewer),
            viewer=viewer,
            bar=self._bar(),
            keys=keys_beside(),
            place=place.value,
            pressed=self._presses.last,
            **values,
        )
        return HTMLResponse(page, status)
