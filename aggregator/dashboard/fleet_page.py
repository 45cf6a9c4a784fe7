"""The first page: how the fleet is, where, and which devices want looking at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator.dashboard.pages import Pages
from aggregator.dashboard.site_map import SiteMap, draw_sites, said
from aggregator.dashboard.views import DeviceRow, Look, Stamp, device_row, iso, utc, waiting_lines
from aggregator.dashboard.watching import WORST_FIRST, Fleet, SiteState, Watching
from aggregator.fleet.alerts import Severity
from aggregator.fleet.filter_fields import FIELDS
from aggregator.fleet.filters import FilterRefused
from aggregator.fleet.terms import FleetDevice, Health
from aggregator.store import alerts, fleet_devices, reader
from aggregator.store.view import StoreView

ON_A_PAGE = 50
RENEWED_EVERY_S = 15
SITES_SHOWN = 24
HEALTH_LOOKS = {
    Health.WELL: Look("Well", "tick", "good"),
    Health.WARNING: Look("Wants looking after", "diamond", "care"),
    Health.FAILING: Look("Cannot serve people", "wrench", "fault"),
    Health.SILENT: Look("Silent", "circle", "calm"),
    Health.BARRED: Look("Shut out", "bar", "calm"),
}


class HealthCount(msgspec.Struct, frozen=True):
    """How many devices are how; path: the page with them alone."""

    look: Look
    count: int
    path: str


class SiteRow(msgspec.Struct, frozen=True):
    """One site."""

    name: str
    title: str
    look: Look
    devices: int
    said: str
    path: str


class FleetRow(msgspec.Struct, frozen=True):
    """One device."""

    device: DeviceRow
    look: Look
    problems: tuple[str, ...]
    drift: int


class FleetPage(msgspec.Struct, frozen=True):
    """Everything that the page shows; urgent, warnings: how many alerts last.

    refused: why the filter cannot be meant, and the list is empty.
    """

    made: Stamp
    health: tuple[HealthCount, ...]
    site_map: SiteMap | None
    sites: tuple[SiteRow, ...]
    more_sites: int
    waiting: tuple[str, ...]
    urgent: int
    warnings: int
    filter: str
    refused: str
    rows: tuple[FleetRow, ...]
    total: int
    first: int
    previous: str
    next: str


class FleetPages:
    """Shows the fleet."""

    def __init__(
        self, pages: Pages, view: StoreView, watching: Watching, connected: Callable[[], frozenset[str]]
    ) -> None:
        self._pages = pages
        self._view = view
        self._watching = watching
        self._connected = connected

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self._page("fleet.html")),
            Route("/fragments/fleet", self._page("fleet_part.html")),
            Route("/sites", self._sites),
        ]

    def _page(self, template: str) -> Callable[[Request], object]:
        async def show(request: Request) -> Response:
            live = request.query_params.get("live") != "off"
            page = await self._made(request)
            query = urlencode({key: value for key, value in request.query_params.items() if key != "live"})
            return self._pages.answer(
                request,
                template,
                page=page,
                live=live,
                query=query,
                fields=tuple(FIELDS),
                every_s=RENEWED_EVERY_S,
            )

        return show

    async def _made(self, request: Request) -> FleetPage:
        fleet, connected, now_ns = await self._watching.fleet(), self._connected(), self._pages.wall_ns()
        text = request.query_params.get("filter", "").strip()
        number = request.query_params.get("page", "1")
        first = (max(1, int(number)) - 1) * ON_A_PAGE if number.isascii() and number.isdigit() else 0
        try:
            found, refused = fleet.matching(text), ""
        except FilterRefused as error:
            found, refused = (), str(error)
        ids = found[first : first + ON_A_PAGE]
        devices, held, waiting, pressing = await self._view.read(
            lambda db: (
                fleet_devices.read(db, ids, now_ns, connected),
                {each.device_id: each for each in reader.read_devices(db, ids)},
                reader.read_waiting(db),
                alerts.counts(db),
            )
        )
        made = utc(fleet.made_ns)

        def page_path(number: int) -> str:
            return "/?" + urlencode({"filter": text, "page": number} if text else {"page": number})

        return FleetPage(
            made=Stamp(f"{made:%H:%M:%S}", iso(made)),
            health=tuple(
                HealthCount(HEALTH_LOOKS[each], fleet.health.get(each, 0), _filtered("health", each.value))
                for each in WORST_FIRST
            ),
            site_map=draw_sites(fleet.sites),
            sites=site_rows(fleet.sites[:SITES_SHOWN]),
            more_sites=max(0, len(fleet.sites) - SITES_SHOWN),
            waiting=waiting_lines(waiting),
            urgent=sum(count for (_, severity), count in pressing.items() if severity is Severity.URGENT),
            warnings=sum(count for (_, severity), count in pressing.items() if severity is Severity.WARNING),
            filter=text,
            refused=refused,
            rows=tuple(
                _row(each, device_row(held[each.device_id], each.connected, utc(now_ns))) for each in devices
            ),
            total=len(found),
            first=first,
            previous=page_path(first // ON_A_PAGE) if first else "",
            next=page_path(first // ON_A_PAGE + 2) if first + ON_A_PAGE < len(found) else "",
        )

    async def _sites(self, request: Request) -> Response:
        fleet: Fleet = await self._watching.fleet()
        return self._pages.answer(
            request, "sites.html", sites=site_rows(fleet.sites), site_map=draw_sites(fleet.sites)
        )


def site_rows(states: Sequence[SiteState]) -> tuple[SiteRow, ...]:
    """Return what to say of sites."""
    return tuple(
        SiteRow(
            state.site.name,
            state.site.title,
            HEALTH_LOOKS[state.worst],
            sum(state.health.values()),
            said(state.health),
            _filtered("site", state.site.name),
        )
        for state in states
    )


def _row(device: FleetDevice, held: DeviceRow) -> FleetRow:
    return FleetRow(
        held,
        HEALTH_LOOKS[device.health],
        untold(device.problems, held.faults),
        0 if device.reported is None else len(device.reported.drift),
    )


def untold(problems: Sequence[str], faults: Sequence[str]) -> tuple[str, ...]:
    """Return what the problems say beyond the faults that are shown beside them."""
    rest = []
    for problem in problems:
        told = next((fault for fault in faults if problem.startswith(fault)), "")
        rest.append(problem.removeprefix(told).removeprefix(", "))
    return tuple(filter(None, rest))


def _filtered(field: str, value: str) -> str:
    return "/?" + urlencode({"filter": f'{field} = "{value}"'}) + "#devices-heading"
