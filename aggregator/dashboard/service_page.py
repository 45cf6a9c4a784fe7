"""How people are served: how many an hour, how long it takes, and how often somebody is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator.dashboard.pages import Pages
from aggregator.dashboard.plots import Plot, Series
from aggregator.fleet.differences import Part, wilson
from aggregator.fleet.tallies import ANSWERS, CHECK_INS, CLAIMS, HOUR_NS, SERVICE_MS, WRONGLY_REFUSED
from aggregator.records import Outcome
from aggregator.report.figures import SERVED
from aggregator.store import service_figures
from aggregator.store.service_figures import HOURS, ServiceFigures
from aggregator.store.view import StoreView
from trust.service import Workflow
from trust.small_cells import SMALL_CELL, hidden

SPANS = (1, 7, 30)
SITES_SHOWN = 50
_SERVED = {what for (_, answer), what in ANSWERS.items() if answer.value in SERVED}
_SERVED_BY = {
    workflow: [what for (each, _), what in ANSWERS.items() if each is workflow and what in _SERVED]
    for workflow in Workflow
}
_ATTEMPTS = tuple(CHECK_INS.values())
_NOT_ACQUIRED = tuple(what for (_, outcome), what in CHECK_INS.items() if outcome is Outcome.RETRY)
_NO_MATCH = tuple(what for (_, outcome), what in CHECK_INS.items() if outcome is Outcome.NO_MATCH)
Sums = Mapping[str, int]


class Share(msgspec.Struct, frozen=True):
    """A rate in words, with its 95 % interval; text: empty where there is nothing to count."""

    text: str
    interval: str = ""


class SpanRow(msgspec.Struct, frozen=True):
    """People of one day, one site or all; path: of the page about it."""

    name: str
    path: str
    served: int
    others: int
    seconds: str
    refused: Share
    not_acquired: Share
    no_match: Share


class CohortRow(msgspec.Struct, frozen=True):
    """People of one cohort who showed a face or a finger, and whom the appliance did not recognise."""

    name: str
    claims: int
    refused: Share


class ServicePage(msgspec.Struct, frozen=True):
    """Everything that the page shows; hidden_cohorts: how many are too small to be shown."""

    site: str
    days: int
    spans: tuple[tuple[int, str, bool], ...]
    total: SpanRow
    plots: tuple[Plot, ...]
    by_day: tuple[SpanRow, ...]
    by_site: tuple[SpanRow, ...]
    more_sites: int
    cohorts: tuple[CohortRow, ...]
    hidden_cohorts: int
    small_cell: int = SMALL_CELL


class ServicePages:
    """Shows how people are served."""

    def __init__(self, pages: Pages, view: StoreView) -> None:
        self._pages = pages
        self._view = view

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/service", self._show)]

    async def _show(self, request: Request) -> Response:
        query = request.query_params
        days = next((span for span in SPANS if query.get("days") == str(span)), 7)
        site, now_hour = query.get("site", ""), self._pages.wall_ns() // HOUR_NS
        figures = await self._view.read(lambda db: service_figures.read(db, now_hour, days, site))
        return self._pages.answer(
            request, "service.html", page=make_service_page(figures, now_hour, days, site)
        )


def make_service_page(figures: ServiceFigures, now_hour: int, days: int, site: str) -> ServicePage:
    """Return the page for what was counted."""
    sites = [_row(name, _path(days, name), sums) for name, sums in figures.sites.items()]
    sites.sort(key=lambda row: (-row.served, row.name))
    small = hidden({name: claims for name, (claims, _) in figures.cohorts.items()})
    return ServicePage(
        site=site,
        days=days,
        spans=tuple((span, _path(span, site), span == days) for span in SPANS),
        total=_row("All", "", _added(figures.days.values())),
        plots=_plots(figures.hours, now_hour),
        by_day=tuple(_row(_date(day), "", figures.days[day]) for day in sorted(figures.days, reverse=True)),
        by_site=tuple(sites[:SITES_SHOWN]),
        more_sites=max(0, len(sites) - SITES_SHOWN),
        cohorts=tuple(
            CohortRow(name, claims, _share(refused, claims))
            for name, (claims, refused) in sorted(figures.cohorts.items())
            if name not in small
        ),
        hidden_cohorts=len(small),
    )


def _row(name: str, path: str, sums: Sums) -> SpanRow:
    served = _sum(sums, _SERVED)
    answers = _sum(sums, ANSWERS.values())
    took_ms, attempts, claims = _sum(sums, SERVICE_MS.values()), _sum(sums, _ATTEMPTS), sums.get(CLAIMS, 0)
    return SpanRow(
        name,
        path,
        served,
        answers - served,
        f"{took_ms / answers / 1000:.1f}" if answers else "–",
        _share(sums.get(WRONGLY_REFUSED, 0), claims),
        _share(_sum(sums, _NOT_ACQUIRED), attempts),
        _share(_sum(sums, _NO_MATCH), attempts),
    )


def _share(count: int, of: int) -> Share:
    """Return a rate; of fewer than SMALL_CELL people it would say more of them than of the device."""
    if of < SMALL_CELL:
        return Share("too few to say" if of else "–")
    low, high = wilson(Part(count, of))
    return Share(f"{100 * count / of:.2f} %", f"{100 * low:.2f} to {100 * high:.2f}")


def _plots(hours: Mapping[int, Sums], now_hour: int) -> tuple[Plot, ...]:
    span = range(now_hour - HOURS + 1, now_hour + 1)
    x = tuple(hour * 3600 for hour in span)
    found = [hours.get(hour, {}) for hour in span]
    served = tuple(
        Series(workflow.value, counts)
        for workflow, whats in _SERVED_BY.items()
        if any(counts := tuple(_sum(sums, whats) for sums in found))
    )
    seconds = tuple(
        Series(workflow.value, means)
        for workflow in Workflow
        if any(means := tuple(_mean_s(sums, workflow) for sums in found))
    )
    plots = (
        Plot("People served an hour", "", x, served, bars=len(served) == 1),
        Plot("Time for a person", "s", x, seconds),
    )
    return tuple(plot for plot in plots if plot.series)


def _mean_s(sums: Sums, workflow: Workflow) -> float | None:
    answers = sum(count for what, count in sums.items() if what in _ANSWERS_OF[workflow])
    return round(sums.get(SERVICE_MS[workflow], 0) / answers / 1000, 1) if answers else None


_ANSWERS_OF = {
    workflow: {what for (each, _), what in ANSWERS.items() if each is workflow} for workflow in Workflow
}


def _sum(sums: Sums, whats: Iterable[str]) -> int:
    return sum(sums.get(what, 0) for what in whats)


def _added(each: Iterable[Sums]) -> dict[str, int]:
    total: dict[str, int] = {}
    for sums in each:
        for what, count in sums.items():
            total[what] = total.get(what, 0) + count
    return total


def _date(day: int) -> str:
    return f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"


def _path(days: int, site: str) -> str:
    query: Sequence[tuple[str, str | int]] = [("days", days), *([("site", site)] if site else [])]
    return f"/service?{urlencode(query)}"
