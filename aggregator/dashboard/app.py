"""The dashboard's routes, and the headers that every answer carries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.dashboard.adjudications import make_adjudications_page
from aggregator.dashboard.missing import make_missing_page
from aggregator.dashboard.views import make_page
from aggregator.holdings import Adjudication, Missing, Overview
from aggregator.store.errors import StoreError

LATEST_CHECK_INS = 50
# The page is not authenticated: no other site may read it by pointing its own name at this machine.
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "::1", "[::1]"]
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_FOLDER = Path(__file__).parent

OverviewSource = Callable[[int], Awaitable[Overview]]
MissingSource = Callable[[], Awaitable[tuple[Missing, ...]]]
AdjudicationSource = Callable[[], Awaitable[tuple[Adjudication, ...]]]


def create_app(
    overview: OverviewSource,
    missing: MissingSource,
    adjudications: AdjudicationSource,
    connected: Callable[[], frozenset[str]],
    wall_ns: Callable[[], int],
) -> Starlette:
    """Return the application.

    overview: what the store holds, with so many of the latest check-ins. missing: what it lacks.
    connected: who has a live stream. adjudications: pairs of entries that may be of one person, to look at:
    the page knows nobody, so they are decided by command.
    """
    pages = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    async def answer(template: str, **context: object) -> Response:
        page = make_page(await overview(LATEST_CHECK_INS), connected(), wall_ns())
        return HTMLResponse(pages.get_template(template).render(page=page, **context))

    async def index(request: Request) -> Response:
        return await answer("index.html", live=request.query_params.get("live") != "off")

    async def fragment(_request: Request) -> Response:
        return await answer("overview.html")

    async def lacking(_request: Request) -> Response:
        page = make_missing_page(await missing(), connected(), wall_ns())
        return HTMLResponse(pages.get_template("missing.html").render(page=page))

    async def pairs(_request: Request) -> Response:
        page = make_adjudications_page(await adjudications(), wall_ns())
        return HTMLResponse(pages.get_template("adjudications.html").render(page=page))

    async def healthz(_request: Request) -> Response:
        await overview(0)
        return PlainTextResponse("ok\n")

    async def unavailable(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("The store cannot be read: see the server's log.\n", status_code=503)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/fragments/overview", fragment),
            Route("/missing", lacking),
            Route("/adjudications", pairs),
            Route("/healthz", healthz),
            Mount("/static", StaticFiles(directory=_FOLDER / "static")),
        ],
        middleware=[
            Middleware(_ProtectiveHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=ALLOWED_HOSTS, www_redirect=False),
        ],
        exception_handlers={StoreError: unavailable},
    )


class _ProtectiveHeaders:
    """Adds the headers to every answer, those of other middleware too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                # Static files have an ETag to ask with; pages are never kept.
                headers["Cache-Control"] = "no-cache" if "etag" in headers else "no-store"
            await send(message)

        await self._app(scope, receive, send_protected)
