"""The audit log of administration, newest first, and whether its chain holds."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator.accounts import Right
from aggregator.dashboard.pages import Pages
from aggregator.dashboard.views import Stamp, iso, utc
from aggregator.dashboard.visitors import needs
from aggregator.holdings import AuditEntry
from aggregator.store import administration
from aggregator.store.view import StoreView

ON_A_PAGE = 100


class AuditRow(msgspec.Struct, frozen=True):
    """One act."""

    number: int
    at: Stamp
    actor: str
    act: str
    subject: str
    chain: str


class AuditPage:
    """Shows the log to whom it is for; an entry that was found to hold is not checked again."""

    def __init__(self, pages: Pages, view: StoreView) -> None:
        self._pages = pages
        self._view = view
        self._checked: AuditEntry | None = None

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/audit", self._show)]

    async def _show(self, request: Request) -> Response:
        needs(request, Right.REVIEW)
        text = request.query_params.get("before", "")
        before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        checked = self._checked
        page = await self._view.read(lambda db: administration.read_page(db, checked, before, ON_A_PAGE + 1))
        self._checked = page.held
        return self._pages.answer(
            request,
            "audit.html",
            rows=[_row(entry) for entry in page.entries[:ON_A_PAGE]],
            older=page.entries[ON_A_PAGE - 1].number if len(page.entries) > ON_A_PAGE else None,
            newer=before is not None,
            broken=page.broken,
        )


def _row(entry: AuditEntry) -> AuditRow:
    at = utc(entry.at_ns)
    return AuditRow(
        entry.number,
        Stamp(f"{at:%Y-%m-%d %H:%M:%S}", iso(at)),
        entry.actor,
        entry.act,
        entry.subject,
        entry.chain.hex()[:8],
    )
