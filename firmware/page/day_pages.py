"""The pages on which staff open and close the day, and take the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from firmware.page import words
from firmware.page.drawing import Drawing
from firmware.page.ports import Bar, DayWork, Station
from firmware.page.protection import read_form
from firmware.page.viewers import Operator, Viewer
from firmware.store.errors import SessionUnderWay, StoreError
from firmware.workflow.screen import Text
from firmware.workflow.terms import Role

log = structlog.get_logger()
_MEDIA_TYPES = {"pdf": "application/pdf", "csv": "text/csv; charset=utf-8", "json": "application/json"}


class DayPages:
    """Part of one front's page. tag: in which language a viewer reads.

    viewer: who asks, None for somebody who is not signed in. sender: the like for a form of this page.
    loads: whether lists are loaded here (`ListPages`).
    """

    def __init__(
        self,
        day: DayWork,
        station: Station,
        drawing: Drawing,
        bar: Callable[[], Bar],
        tag: Callable[[Viewer], str],
        viewer: Callable[[Request], Viewer | None],
        sender: Callable[[Request, dict[str, str]], Viewer],
        *,
        loads: bool,
    ) -> None:
        self._day = day
        self._station = station
        self._drawing = drawing
        self._bar = bar
        self._tag = tag
        self._viewer = viewer
        self._sender = sender
        self._loads = loads
        self.routes = [
            Route("/day", self._show),
            Route("/day/open", self._open, methods=["POST"]),
            Route("/day/close", self._close, methods=["POST"]),
            Route("/day/report.{kind}", self._report),
        ]

    async def _show(self, request: Request) -> Response:
        viewer = self._viewer(request)
        return RedirectResponse("/", 303) if viewer is None else self._drawn(viewer)

    async def _open(self, request: Request) -> Response:
        return await self._do(request, self._day.open, Role.OPERATOR)

    async def _close(self, request: Request) -> Response:
        return await self._do(request, self._day.close, Role.SUPERVISOR)

    async def _do(
        self, request: Request, work: Callable[[str], Awaitable[Sequence[str]]], need: Role
    ) -> Response:
        viewer = self._sender(request, await read_form(request))
        operator = viewer.operator
        if operator is None:
            return RedirectResponse("/", 303)
        if not _may(operator, need):
            return self._drawn(viewer, words.SUPERVISOR_CLOSES)
        if not self._station.idle:
            return self._drawn(viewer, words.FIRST_FINISH)
        try:
            return self._drawn(viewer, lines=await work(operator.name))
        except SessionUnderWay:
            return self._drawn(viewer, words.WAITS_TO_BE_WRITTEN)
        except StoreError as error:
            log.warning("day not written", kind=type(error).__name__, reason=str(error))
            return self._drawn(viewer, words.NOT_WRITTEN)

    async def _report(self, request: Request) -> Response:
        viewer, kind = self._viewer(request), request.path_params["kind"]
        if viewer is None or viewer.operator is None or not _may(viewer.operator, Role.SUPERVISOR):
            return RedirectResponse("/day", 303)
        if kind not in _MEDIA_TYPES:
            raise HTTPException(404, "no such report")
        named = {"Content-Disposition": f'attachment; filename="report.{kind}"'}
        return Response(await self._day.report(kind), media_type=_MEDIA_TYPES[kind], headers=named)

    def _drawn(self, viewer: Viewer, message: Text | None = None, lines: Sequence[str] = ()) -> Response:
        page = self._drawing.draw(
            "day.html",
            self._tag(viewer),
            viewer=viewer,
            bar=self._bar(),
            message=message,
            lines=lines,
            loads=self._loads,
            supervises=viewer.operator is not None and _may(viewer.operator, Role.SUPERVISOR),
        )
        return HTMLResponse(page)


def _may(operator: Operator, need: Role) -> bool:
    return operator.role is Role.SUPERVISOR or need is Role.OPERATOR
