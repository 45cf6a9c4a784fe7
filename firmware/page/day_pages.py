"""The pages on which staff open and close the day, and take the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from firmware.day.day import ToClose
from firmware.day.lines import Told
from firmware.page import words
from firmware.page.beside import Beside, Place
from firmware.page.browsers import Browsers
from firmware.page.ports import DayWork, Station
from firmware.page.viewers import Operator, Viewer
from firmware.store.errors import SessionUnderWay, StoreError
from firmware.workflow.screen import Text
from firmware.workflow.terms import Role
from trust.web.protection import read_form

log = structlog.get_logger()
_MEDIA_TYPES = {"pdf": "application/pdf", "csv": "text/csv; charset=utf-8", "json": "application/json"}
_ENDS_CYCLE = {"close": None, "goes on": False, "ends": True}
"""What a supervisor says where it is asked before the close, and what that says of a distribution's cycle."""
QUEUE_SIZES = (0, 5, 10, 20, 40)
"""What staff choose from, about how many wait: one press, and nobody counts heads."""
_SURE, _ON_OR_OVER = ("close",), ("goes on", "ends")


class DayPages:
    """Part of one front's page. loads: whether lists are loaded here (`ListPages`).

    staffs: whether a supervisor says here who works here (`StaffPages`). updates: whether software is
    installed here (`UpdatePages`).
    """

    def __init__(
        self,
        day: DayWork,
        station: Station,
        beside: Beside,
        browsers: Browsers,
        *,
        loads: bool,
        staffs: bool = False,
        updates: bool = False,
    ) -> None:
        self._day = day
        self._station = station
        self._beside = beside
        self._browsers = browsers
        self._loads = loads
        self._staffs = staffs
        self._updates = updates
        self.routes = [
            Route("/day", self._show),
            Route("/day/open", self._open, methods=["POST"]),
            Route("/day/close", self._ask, methods=["GET"]),
            Route("/day/close", self._close, methods=["POST"]),
            Route("/day/queue", self._ask_queue, methods=["GET"]),
            Route("/day/queue", self._say_queue, methods=["POST"]),
            Route("/day/report.{kind}", self._report),
            Route("/day/closed.{kind}", self._report_of_closed),
        ]

    async def _show(self, request: Request) -> Response:
        viewer = self._browsers.signed_in(request)
        return RedirectResponse("/", 303) if viewer is None else await self._drawn(viewer)

    async def _open(self, request: Request) -> Response:
        viewer = self._browsers.sender(request, await read_form(request))

        async def work(operator: str) -> Response:
            return await self._drawn(viewer, told=await self._day.open(operator))

        return await self._do(viewer, work, Role.OPERATOR)

    async def _ask(self, request: Request) -> Response:
        viewer = self._browsers.signed_in(request)
        if viewer is None:
            return RedirectResponse("/", 303)

        async def work(_operator: str) -> Response:
            return self._asked(viewer, await self._day.to_close())

        return await self._do(viewer, work, Role.SUPERVISOR)

    async def _close(self, request: Request) -> Response:
        form = await read_form(request)
        viewer = self._browsers.sender(request, form)

        async def work(operator: str) -> Response:
            asked = await self._day.to_close()
            answer = form.get("answer", "")
            if answer not in (_ON_OR_OVER if asked.asks_whether_it_goes_on else _SURE):
                return self._asked(viewer, asked)
            told = await self._day.close(operator, ends_cycle=_ENDS_CYCLE[answer])
            return await self._drawn(viewer, told=told)

        return await self._do(viewer, work, Role.SUPERVISOR)

    async def _ask_queue(self, request: Request) -> Response:
        viewer = self._browsers.signed_in(request)
        if viewer is None:
            return RedirectResponse("/", 303)
        return self._beside.drawn("day_queue.html", viewer, Place.QUEUE, sizes=QUEUE_SIZES)

    async def _say_queue(self, request: Request) -> Response:
        form = await read_form(request)
        viewer = self._browsers.sender(request, form)
        said = form.get("people", "")
        if viewer.operator is None or said not in map(str, QUEUE_SIZES):
            return RedirectResponse("/", 303)
        self._day.say_waiting(int(said))
        return RedirectResponse("/", 303)

    async def _do(self, viewer: Viewer, work: Callable[[str], Awaitable[Response]], need: Role) -> Response:
        operator = viewer.operator
        if operator is None:
            return RedirectResponse("/", 303)
        if not _may(operator, need):
            return await self._drawn(viewer, words.SUPERVISOR_CLOSES)
        if not self._station.idle:
            return await self._drawn(viewer, words.FIRST_FINISH)
        try:
            # The self-test has the sensors, and a close ends what is loaded: nobody begins meanwhile.
            with self._station.kept_free():
                return await work(operator.name)
        except SessionUnderWay:
            return await self._drawn(viewer, words.WAITS_TO_BE_WRITTEN)
        except StoreError as error:
            log.warning("day not written", kind=type(error).__name__, reason=str(error))
            return await self._drawn(viewer, words.NOT_WRITTEN)

    async def _report(self, request: Request) -> Response:
        return await self._file(request, last=False)

    async def _report_of_closed(self, request: Request) -> Response:
        return await self._file(request, last=True)

    async def _file(self, request: Request, *, last: bool) -> Response:
        viewer, kind = self._browsers.signed_in(request), request.path_params["kind"]
        if viewer is None or viewer.operator is None:
            return RedirectResponse("/", 303)
        if not _may(viewer.operator, Role.SUPERVISOR):
            return await self._drawn(viewer, words.SUPERVISOR_CLOSES, status=403)
        if kind not in _MEDIA_TYPES:
            raise HTTPException(404, "no such report")
        named = {"Content-Disposition": f'attachment; filename="report.{kind}"'}
        content = await self._day.report(kind, last=last)
        if content is None:
            return RedirectResponse("/day", 303)
        return Response(content, media_type=_MEDIA_TYPES[kind], headers=named)

    def _asked(self, viewer: Viewer, asked: ToClose) -> Response:
        """Show what a close erases and what still waits, before anything is done."""
        return self._beside.drawn("day_close.html", viewer, Place.CLOSE, asked=asked)

    async def _drawn(
        self, viewer: Viewer, message: Text | None = None, told: Told | None = None, status: int = 200
    ) -> Response:
        return self._beside.drawn(
            "day.html",
            viewer,
            Place.DAY,
            status,
            message=message,
            told=told,
            loads=self._loads,
            staffs=self._staffs,
            updates=self._updates,
            was_closed=await self._day.was_closed(),
            supervises=viewer.operator is not None and _may(viewer.operator, Role.SUPERVISOR),
        )


def _may(operator: Operator, need: Role) -> bool:
    return operator.role is Role.SUPERVISOR or need is Role.OPERATOR
