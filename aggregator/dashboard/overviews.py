"""The pages that show what is held: results, what is missing, who may be one person."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator.dashboard.adjudications import make_adjudications_page
from aggregator.dashboard.missing import make_missing_page
from aggregator.dashboard.pages import Pages
from aggregator.dashboard.views import make_page
from aggregator.store.view import StoreView

LATEST_CHECK_INS = 50
RENEWED_EVERY_S = 3


class Overviews:
    """Reads and shows; nothing is changed here."""

    def __init__(self, pages: Pages, view: StoreView, connected: Callable[[], frozenset[str]]) -> None:
        self._pages = pages
        self._view = view
        self._connected = connected

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/results", self._index),
            Route("/fragments/results", self._fragment),
            Route("/missing", self._missing),
            Route("/adjudications", self._adjudications),
        ]

    async def _index(self, request: Request) -> Response:
        return await self._overview(request, "results.html")

    async def _fragment(self, request: Request) -> Response:
        return await self._overview(request, "results_part.html")

    async def _overview(self, request: Request, template: str) -> Response:
        held = await self._view.overview(LATEST_CHECK_INS)
        page = make_page(held, self._pages.wall_ns())
        live = request.query_params.get("live") != "off"
        return self._pages.answer(request, template, page=page, live=live, every_s=RENEWED_EVERY_S)

    async def _missing(self, request: Request) -> Response:
        page = make_missing_page(await self._view.missing(), self._connected(), self._pages.wall_ns())
        return self._pages.answer(request, "missing.html", page=page)

    async def _adjudications(self, request: Request) -> Response:
        page = make_adjudications_page(await self._view.adjudications(), self._pages.wall_ns())
        return self._pages.answer(request, "adjudications.html", page=page)
