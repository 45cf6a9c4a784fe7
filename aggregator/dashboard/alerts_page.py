"""Alerts, what concerns people first, and who looks after each."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aggregator.accounts import Right
from aggregator.dashboard.pages import Pages
from aggregator.dashboard.views import Look, Stamp, moment, utc
from aggregator.dashboard.visitors import local_path, read_change
from aggregator.fleet.alerts import Alert, Severity
from aggregator.store import alerts
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter

ON_A_PAGE = 50
RENEWED_EVERY_S = 15
LOOKS = {
    Severity.URGENT: Look("Urgent", "bell", "fault"),
    Severity.WARNING: Look("Warning", "diamond", "care"),
    Severity.NOTICE: Look("Notice", "circle", "calm"),
}


class AlertRow(msgspec.Struct, frozen=True):
    """One alert; path: of its device or its site. closed: None while it lasts."""

    number: int
    look: Look
    kind: str
    sentence: str
    subject: str
    path: str
    opened: Stamp
    closed: Stamp | None
    acknowledged: str


class AlertPages:
    """Shows alerts, and notes who looks after one."""

    def __init__(self, pages: Pages, view: StoreView, store: StoreWriter) -> None:
        self._pages = pages
        self._view = view
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/alerts", self._show, methods=["GET"]),
            Route("/fragments/alerts", self._renew, methods=["GET"]),
            Route("/alerts/{number:int}/acknowledge", self._acknowledge, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        return await self._answer(request, "alerts.html")

    async def _renew(self, request: Request) -> Response:
        return await self._answer(request, "alerts_part.html")

    async def _answer(self, request: Request, template: str) -> Response:
        query = request.query_params
        closed, site, after = (
            query.get("closed") == "1",
            query.get("site", ""),
            _place(query.get("after", "")),
        )
        found, counted = await self._view.read(
            lambda db: (
                alerts.read(db, closed=closed, site=site, limit=ON_A_PAGE + 1, after=after),
                alerts.counts(db),
            )
        )
        now_ns = self._pages.wall_ns()
        kept = {"closed": "1"} if closed else {}
        if site:
            kept["site"] = site
        by_severity = {
            severity: sum(count for (_, each), count in counted.items() if each is severity)
            for severity in reversed(Severity)
        }
        return self._pages.answer(
            request,
            template,
            rows=[_row(alert, now_ns) for alert in found[:ON_A_PAGE]],
            counts=[(LOOKS[severity], count) for severity, count in by_severity.items()],
            closed=closed,
            site=site,
            more=_path({**kept, "after": _token(found[ON_A_PAGE - 1])}) if len(found) > ON_A_PAGE else "",
            first=after is None,
            other=_path({"site": site} if closed and site else {} if closed else {**kept, "closed": "1"}),
            query=urlencode({key: value for key, value in query.items() if key != "live"}),
            live=query.get("live") != "off",
            every_s=RENEWED_EVERY_S,
        )

    async def _acknowledge(self, request: Request) -> Response:
        person, fields = await read_change(request, Right.CHANGE)
        number, now_ns = int(request.path_params["number"]), self._pages.wall_ns()
        if number >= 2**63:
            raise HTTPException(404, "There is no such alert.")
        alert = await self._store.submit(lambda db: alerts.acknowledge(db, number, now_ns, str(person)))
        if alert is None:
            raise HTTPException(404, "There is no such alert.")
        return RedirectResponse(local_path(fields.get("back", "/alerts")), 303)


def _row(alert: Alert, now_ns: int) -> AlertRow:
    now = utc(now_ns)
    if alert.device_id:
        subject, path = alert.device_id, f"/devices/{quote(alert.device_id)}"
    elif alert.site:
        subject, path = alert.site, "/?" + urlencode({"filter": f'site = "{alert.site}"'})
    else:
        subject, path = "the fleet", "/"
    seen = alert.acknowledged_ns
    return AlertRow(
        alert.number,
        LOOKS[alert.severity],
        alert.kind.value,
        alert.sentence,
        subject,
        path,
        moment(utc(alert.opened_ns), now),
        None if alert.closed_ns is None else moment(utc(alert.closed_ns), now),
        "" if seen is None else f"{alert.acknowledged_by}, {moment(utc(seen), now).text}",
    )


def _token(alert: Alert) -> str:
    return ".".join(map(str, alerts.place(alert)))


def _place(text: str) -> tuple[int, int, int] | None:
    parts = text.split(".")
    if len(parts) != 3 or not all(part.removeprefix("-").isdecimal() and len(part) < 19 for part in parts):
        return None
    ended, kind, number = map(int, parts)
    return ended, kind, number


def _path(query: dict[str, str]) -> str:
    return "/alerts" + (f"?{urlencode(query)}" if query else "")
