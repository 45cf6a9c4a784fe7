"""The dashboard's routes, and what stands before each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from aggregator.bundle_shelf import BundleShelf
from aggregator.dashboard.alerts_page import AlertPages
from aggregator.dashboard.audit import AuditPage
from aggregator.dashboard.device_routes import DeviceRoutes
from aggregator.dashboard.fleet_page import FleetPages
from aggregator.dashboard.overviews import Overviews
from aggregator.dashboard.pages import FOLDER, Pages
from aggregator.dashboard.rollouts_page import RolloutPages
from aggregator.dashboard.service_page import ServicePages
from aggregator.dashboard.sessions import Sessions
from aggregator.dashboard.signing_in import Provider, SigningIn
from aggregator.dashboard.visitors import AskWho
from aggregator.dashboard.watching import Watching
from aggregator.store.errors import StatementRefused, StoreError
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from trust.web.protection import LOOPBACK_NAMES, ProtectiveHeaders

HSTS = {"Strict-Transport-Security": "max-age=31536000"}


class Dashboard:
    """The application and what it remembers of browsers.

    connected: who has a live stream. shelf: the bundles of diagnostics. look: brings a device its commands.
    fleet_view: for what takes longer, so that no page waits for it. names: of the host, as browsers send
    them: no other site may read the pages by pointing its own name here. provider: None without one.
    """

    def __init__(
        self,
        view: StoreView,
        store: StoreWriter,
        connected: Callable[[], frozenset[str]],
        wall_ns: Callable[[], int],
        *,
        shelf: BundleShelf,
        look: Callable[[str], None] = lambda _device_id: None,
        fleet_view: StoreView | None = None,
        names: Sequence[str] = (),
        provider: Provider | None = None,
    ) -> None:
        self._view = view
        over_tls = bool(names)
        self.watching = Watching(fleet_view or view, connected, wall_ns)
        self._pages = Pages(wall_ns)
        self._sessions = Sessions(
            view, store, wall_ns, over_tls=over_tls, always_asks=over_tls or provider is not None
        )
        routes: list[BaseRoute] = [
            *SigningIn(self._pages, self._sessions, store, wall_ns, provider).routes(),
            *AuditPage(self._pages, view).routes(),
            *FleetPages(self._pages, view, self.watching, connected).routes(),
            *DeviceRoutes(self._pages, view, store, connected, look, shelf).routes(),
            *AlertPages(self._pages, view, store).routes(),
            *ServicePages(self._pages, view).routes(),
            *RolloutPages(self._pages, view, store).routes(),
            *Overviews(self._pages, view, connected).routes(),
            Route("/healthz", self._healthz),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]
        self.app = Starlette(
            routes=routes,
            middleware=[
                Middleware(ProtectiveHeaders, more=HSTS if over_tls else None),
                Middleware(
                    TrustedHostMiddleware,
                    allowed_hosts=[*LOOPBACK_NAMES, *names],
                    www_redirect=False,
                ),
                Middleware(AskWho, sessions=self._sessions),
            ],
            exception_handlers={
                StatementRefused: self._not_looked_up,
                StoreError: self._unavailable,
                HTTPException: self._refused,
            },
        )

    def is_signed_in(self, scope: Scope) -> bool:
        """Whether somebody signed in sends a request, who finds room whoever else comes."""
        return self._sessions.is_signed_in(scope)

    async def _healthz(self, _request: Request) -> Response:
        await self._view.overview(0)
        return PlainTextResponse("ok\n")

    async def _unavailable(self, request: Request, _error: Exception) -> Response:
        return self._pages.said(
            request, 503, "The store cannot be read", "See the server's log for what to do."
        )

    async def _not_looked_up(self, request: Request, _error: Exception) -> Response:
        return self._pages.said(
            request,
            500,
            "This could not be looked up",
            "Go back and choose again. If it stays so, tell those who keep Aidpost.",
        )

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 -- Starlette calls it for no other
        heading = HTTPStatus(error.status_code).phrase
        sentence = "" if error.detail == heading else error.detail
        if error.status_code == HTTPStatus.NOT_FOUND and not sentence:
            sentence = "There is no such page: choose one above."
        answer = self._pages.said(request, error.status_code, heading, sentence)
        answer.headers.update(error.headers or {})
        return answer
