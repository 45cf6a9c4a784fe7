"""Draws pages: the templates, and what every one of them shows around its own part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from aggregator.accounts import Right
from aggregator.dashboard.sessions import Visitor
from aggregator.dashboard.views import Stamp, iso, utc

FOLDER = Path(__file__).parent


class Place(msgspec.Struct, frozen=True):
    """One entry of the menu; right: who sees it."""

    path: str
    word: str
    right: Right = Right.LOOK


PLACES = (
    Place("/", "Fleet"),
    Place("/alerts", "Alerts"),
    Place("/service", "Service"),
    Place("/rollouts", "Rollouts"),
    Place("/results", "Results"),
    Place("/missing", "Missing"),
    Place("/adjudications", "Same person?"),
    Place("/audit", "Audit", Right.REVIEW),
)


class Pages:
    """The templates; signs_in: whether there is anything to sign in with, so that the page offers it."""

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self.wall_ns = wall_ns
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["grouped"] = lambda number: f"{number:,}"

    def answer(
        self, request: Request, template: str, *, status: int = 200, **context: object
    ) -> HTMLResponse:
        """Return the page as whoever asks may see it."""
        visitor: Visitor = getattr(request.state, "visitor", Visitor("", None))
        now = utc(self.wall_ns())
        text = self._templates.get_template(template).render(
            visitor=visitor,
            places=[place for place in PLACES if visitor.may(place.right)],
            here=request.url.path,
            rights=Right,
            now=Stamp(f"{now:%H:%M:%S}", iso(now)),
            **context,
        )
        return HTMLResponse(text, status)

    def said(self, request: Request, status: int, heading: str, sentence: str) -> Response:
        """Return a page that says one thing, in place of the one that was asked for."""
        return self.answer(request, "said.html", status=status, heading=heading, sentence=sentence)
